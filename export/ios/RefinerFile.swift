// One cycle refined with an exported .tflite: requires only LiteRT 2.3.0 and Foundation.
import Foundation
import LiteRT

/// An error with a one-line description.
struct RefinerFileError: LocalizedError {
    let errorDescription: String?

    init(_ text: String) { errorDescription = text }
}

/// An exported file with the pattern `all-entire`, float32 in and out.
///
/// Its metadata, `<name>.tflite.json`, is in the same folder. Not thread-safe.
final class RefinerFile {
    /// The metadata used here; export/README.md explains its keys.
    private struct Metadata: Decodable {
        struct Muscle: Decodable { let name: String }

        let kind: String
        let format: Int
        let pattern: String
        let channels: [String]
        let muscles: [Muscle]
    }

    private static let samples = 20

    /// Required channels, such as `soleus_ipsi`: `_ipsi` is the side of the cycle's foot.
    let channels: [String]
    /// Muscles of the output.
    let muscles: [String]

    private let model: CompiledModel
    private let inputs: [TensorBuffer]
    private let outputs: [TensorBuffer]

    /// Opens a file, such as the bundle's `joint.tflite`, exported with the signature `refine` only.
    init(_ file: URL) throws {
        let name = file.lastPathComponent
        let beside = try Data(contentsOf: file.appendingPathExtension("json"))
        let metadata = try JSONDecoder().decode(Metadata.self, from: beside)
        guard metadata.kind == "nem2e-tf refiner file", metadata.format == 1 else {
            throw RefinerFileError("\(name).json: expected a refiner file's metadata, format 1")
        }
        guard metadata.pattern == "all-entire" else {
            throw RefinerFileError("\(name): expected all-entire, found \(metadata.pattern)")
        }
        channels = metadata.channels
        muscles = metadata.muscles.map(\.name)
        let options = try Options()
        try options.setHardwareAccelerators([.cpu])
        model = try CompiledModel(
            filePath: file.path, environment: try Environment(), options: options)
        inputs = try model.createInputBuffers()
        outputs = try model.createOutputBuffers()
        guard inputs.count == 1, outputs.count == 1,
            try model.inputName(inputIndex: 0) == "simulated",
            try model.outputName(outputIndex: 0) == "refined"
        else {
            throw RefinerFileError("\(name): expected refine as the first signature, found another one")
        }
    }

    /// Refines one cycle.
    ///
    /// - Parameter curves: Each channel's activation, 0 to 1, at 20 equally spaced samples from foot
    ///   contact to the next contact of that foot, both included.
    /// - Returns: Each muscle's 20 samples, in the unit stated in the metadata.
    func refine(_ curves: [String: [Float]]) throws -> [String: [Float]] {
        let ordered = try channels.map { channel -> [Float] in
            guard let curve = curves[channel] else {
                throw RefinerFileError("expected channel \(channel), found none")
            }
            guard curve.count == Self.samples, curve.allSatisfy(\.isFinite) else {
                throw RefinerFileError("channel \(channel): expected \(Self.samples) finite samples")
            }
            return curve
        }
        let rows = (0..<Self.samples).flatMap { sample in ordered.map { $0[sample] } }
        try inputs[0].write(rows)
        try model.run(inputs: inputs, outputs: outputs)
        let refined: [Float] = try outputs[0].read()
        let pairs = muscles.enumerated().map { column, muscle in
            (muscle, (0..<Self.samples).map { refined[$0 * muscles.count + column] })
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }
}

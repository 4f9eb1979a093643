// One cycle refined with an exported .tflite: requires only LiteRT 2.3.0 and the Android SDK.
package org.example.refine

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import org.json.JSONArray
import org.json.JSONObject

private const val SAMPLES = 20
private const val SIGNATURE = "refine"
private const val INPUT = "simulated"
private const val OUTPUT = "refined"

/**
 * An exported file with the pattern `all-entire`, float32 in and out.
 *
 * Its metadata, `<name>.tflite.json`, is an asset in the same folder.
 *
 * @param assets contains both files
 * @param name name of the file, such as `joint.tflite`
 * @throws IllegalArgumentException if the file is of another kind
 */
class RefinerFile(assets: AssetManager, name: String) : AutoCloseable {
    /** Required channels, such as `soleus_ipsi`: `_ipsi` is the side of the cycle's foot. */
    val channels: List<String>

    /** Muscles of the output. */
    val muscles: List<String>

    private val model: CompiledModel
    private val input: TensorBuffer
    private val output: TensorBuffer

    init {
        val text = assets.open("$name.json").bufferedReader().use { it.readText() }
        val metadata = JSONObject(text)
        require(metadata.getString("kind") == "nem2e-tf refiner file" && metadata.getInt("format") == 1) {
            "$name.json: expected the metadata of a refiner file, format 1"
        }
        val pattern = metadata.getString("pattern")
        require(pattern == "all-entire") { "$name: expected pattern all-entire, found $pattern" }
        channels = metadata.getJSONArray("channels").map { getString(it) }
        muscles = metadata.getJSONArray("muscles").map { getJSONObject(it).getString("name") }
        model = CompiledModel.create(assets, name, CompiledModel.Options(Accelerator.CPU))
        input = model.createInputBuffer(INPUT, SIGNATURE)
        output = model.createOutputBuffer(OUTPUT, SIGNATURE)
    }

    /**
     * Refines one cycle.
     *
     * @param curves each channel's activation, 0 to 1, at 20 equally spaced samples from foot
     *   contact to the next contact of that foot, both included
     * @return each muscle's 20 samples, in the unit stated in the metadata
     */
    fun refine(curves: Map<String, FloatArray>): Map<String, FloatArray> {
        val ordered = channels.map { channel ->
            val curve = requireNotNull(curves[channel]) { "expected channel $channel, found none" }
            require(curve.size == SAMPLES && curve.all { it.isFinite() }) {
                "channel $channel: expected $SAMPLES finite samples"
            }
            curve
        }
        input.writeFloat(FloatArray(SAMPLES * channels.size) { ordered[it % channels.size][it / channels.size] })
        model.run(mapOf(INPUT to input), mapOf(OUTPUT to output), SIGNATURE)
        val refined = output.readFloat()
        return muscles.withIndex().associate { (column, muscle) ->
            muscle to FloatArray(SAMPLES) { refined[it * muscles.size + column] }
        }
    }

    override fun close() {
        input.close()
        output.close()
        model.close()
    }
}

private fun <T> JSONArray.map(read: JSONArray.(Int) -> T): List<T> = List(length()) { read(it) }

/** Runs an exported file with LiteRT.js: WebAssembly on the CPU, one thread, no remote resources. */

import { joined, modelInput } from "./composition.js";
import { InputError } from "./errors.js";
import { readMetadata } from "./metadata.js";
import { SAMPLES } from "./resampling.js";

const WASM = new URL("./node_modules/@litertjs/core/wasm/", import.meta.url).href;
const SIGNATURE = "refine";
const INPUT = "simulated";
const OUTPUT = "refined";

let library = null;

/** Loads LiteRT.js once. */
async function litert() {
  library ??= import("@litertjs/core").then(async (module) => {
    // LiteRT.js logs everything as errors by default; it reads this object when it loads.
    globalThis.Module = { printErr: (text) => log(text) };
    await module.loadLiteRt(WASM);
    return module;
  });
  try {
    return await library;
  } catch (error) {
    library = null;
    throw new InputError(
      `LiteRT.js could not be loaded: run 'npm ci' in this folder (${error.message})`,
    );
  }
}

function log(text) {
  if (/^(ERROR|FATAL)/.test(text)) console.error(text);
  else console.debug(text);
}

/**
 * Checks and loads an exported .tflite.
 *
 * @param {Uint8Array} bytes The whole file.
 * @param {string} file What to call it in messages.
 * @returns {Promise<import("./refining.js").RefinerFile & {release: () => void}>}
 */
export async function loadRefinerFile(bytes, file) {
  const metadata = await readMetadata(bytes, file);
  const { loadAndCompile, Tensor } = await litert();
  let model;
  try {
    model = await loadAndCompile(bytes, { accelerator: "wasm" });
  } catch (error) {
    const reason = String(error.message ?? error).split("\n")[0];
    throw new InputError(`${file}: this LiteRT.js cannot run the file (${reason.slice(0, 200)})`);
  }
  const shape = inputShape(model, metadata, file);

  async function run(row) {
    const input = new Tensor(row, shape);
    const output = (await model.run(SIGNATURE, { [INPUT]: input }))[OUTPUT];
    const values = Float32Array.from(output.toTypedArray());
    output.delete();
    input.delete();
    return values;
  }

  async function refine(samples) {
    const rows = [];
    for (const row of modelInput(samples, metadata)) rows.push(await run(row));
    return joined(rows, metadata);
  }

  return { metadata, refine, release: () => model.delete() };
}

/** Shape of the input tensor, checked against the metadata. */
function inputShape(model, metadata, file) {
  const runner = model.signatures[SIGNATURE];
  const input = runner?.getInputDetails().find((tensor) => tensor.name === INPUT);
  const output = runner?.getOutputDetails().find((tensor) => tensor.name === OUTPUT);
  const width = metadata.pattern === "all-entire" ? metadata.channels.length : 1;
  const rows = metadata.model_samples ?? SAMPLES;
  const expected = [
    `${INPUT} float32 [1, ${rows}, ${width}]`,
    `${OUTPUT} float32 [1, ${rows}, ${metadata.muscles.length}]`,
  ];
  const found = [input, output].map(
    (tensor) => tensor && `${tensor.name} ${tensor.dtype} [${Array.from(tensor.shape).join(", ")}]`,
  );
  if (expected.some((text, i) => text !== found[i])) {
    model.delete();
    throw new InputError(
      `${file}: expected signature ${SIGNATURE} with ${expected.join(" and ")}, ` +
        `found ${found.filter(Boolean).join(" and ") || "other tensors"}`,
    );
  }
  return [1, rows, width];
}

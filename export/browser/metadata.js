/**
 * Metadata inside an exported .tflite, and the checksum over the whole file.
 *
 * The file is a flatbuffer. Its root table lists named metadata entries; this project's is JSON in
 * a separate buffer. `content_sha256` is the SHA-256 of the file with those 64 digits replaced by
 * zeros, so a truncated or changed file is detected before the interpreter reads it.
 */

import { InputError } from "./errors.js";

const NAME = "NEM2E_METADATA";
const KIND = "nem2e-tf refiner file";
const FORMAT = 1;
const SEAL = '"content_sha256": "';
const DIGITS = 64;

// Field numbers in the schema's tables: Model, Metadata, Buffer.
const MODEL_BUFFERS = 4;
const MODEL_METADATA = 6;
const ENTRY_NAME = 0;
const ENTRY_BUFFER = 1;
const BUFFER_DATA = 0;

/**
 * Verifies the checksum of a .tflite and returns its metadata.
 *
 * @param {Uint8Array} bytes The whole file.
 * @param {string} file What to call it in messages.
 * @returns {Promise<object>} The JSON inside; export/README.md explains its keys.
 */
export async function readMetadata(bytes, file) {
  if (latin(bytes.subarray(4, 8)) !== "TFL3") {
    throw new InputError(`${file}: expected a TFLite file, found something else`);
  }
  const place = findPayload(bytes, file);
  let metadata;
  try {
    metadata = JSON.parse(new TextDecoder().decode(bytes.subarray(place.start, place.end)));
  } catch {
    throw new InputError(
      `${file}: expected readable metadata, found damage; copy or export the file again`,
    );
  }
  if (metadata.kind !== KIND) {
    throw new InputError(
      `${file}: expected a ${KIND}, found ${String(metadata.kind).slice(0, 40)}`,
    );
  }
  if (Number(metadata.content_bytes) !== bytes.length) {
    throw new InputError(
      `${file}: expected ${metadata.content_bytes} bytes, found ${bytes.length}; ` +
        "copy or export the file again",
    );
  }
  const found = await sealOf(bytes, place.start);
  if (found !== metadata.content_sha256) {
    throw new InputError(
      `${file}: expected SHA-256 ${String(metadata.content_sha256).slice(0, 12)}..., found ` +
        `${found.slice(0, 12)}...; the file was changed since its export, copy or export it again`,
    );
  }
  if (metadata.format !== FORMAT) {
    throw new InputError(
      `${file}: expected metadata format ${FORMAT}, found ${metadata.format}; ` +
        "export it again with the version of nem2e-tf that this page belongs to",
    );
  }
  refuseIncomplete(metadata, file);
  return metadata;
}

function findPayload(bytes, file) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const model = view.getUint32(0, true);
    for (const entry of tables(view, field(view, model, MODEL_METADATA))) {
      const name = vector(view, field(view, entry, ENTRY_NAME));
      if (latin(bytes.subarray(name.start, name.start + name.length)) !== NAME) continue;
      const index = field(view, entry, ENTRY_BUFFER);
      const buffers = tables(view, field(view, model, MODEL_BUFFERS));
      const data = vector(view, field(view, buffers[view.getUint32(index, true)], BUFFER_DATA));
      return { start: data.start, end: data.start + data.length };
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(
      `${file}: expected a TFLite file with ${NAME}, found a damaged one; ` +
        "copy or export the file again",
    );
  }
  throw new InputError(
    `${file}: expected a TFLite file with ${NAME}, found one without (another project's)`,
  );
}

/** Offset of a table field's value; 0 if the table does not have the field. */
function field(view, table, number) {
  const layout = table - view.getInt32(table, true);
  const at = 4 + 2 * number;
  const offset = at < view.getUint16(layout, true) ? view.getUint16(layout + at, true) : 0;
  return offset && table + offset;
}

/** Offset and number of the elements of a vector; RangeError if it extends beyond the file. */
function vector(view, at) {
  if (!at) return { start: 0, length: 0 };
  const place = at + view.getUint32(at, true);
  const length = view.getUint32(place, true);
  if (place + 4 + length > view.byteLength) throw new RangeError("vector");
  return { start: place + 4, length };
}

function tables(view, at) {
  const { start, length } = vector(view, at);
  return Array.from({ length }, (_, i) => start + 4 * i + view.getUint32(start + 4 * i, true));
}

async function sealOf(bytes, start) {
  if (!globalThis.crypto?.subtle) {
    throw new InputError(
      "this page cannot check files here: open it at http://localhost or over https",
    );
  }
  const head = latin(bytes.subarray(start, start + 4096));
  const place = start + head.indexOf(SEAL) + SEAL.length;
  const zeroed = bytes.slice();
  zeroed.fill("0".charCodeAt(0), place, place + DIGITS);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", zeroed));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function refuseIncomplete(metadata, file) {
  const names = (list) => Array.isArray(list) && list.every((name) => typeof name === "string");
  const { pattern, samples, model_samples: rows, channels, muscles } = metadata;
  const whole =
    ["one-quarter", "one-entire", "all-entire"].includes(pattern) &&
    samples === 20 &&
    (rows === 20 || (rows === 5 && pattern === "one-quarter")) &&
    names(channels) &&
    Array.isArray(muscles) &&
    muscles.length > 0 &&
    (pattern === "all-entire" || muscles.length === 1) &&
    muscles.every(
      (muscle) =>
        typeof muscle.name === "string" &&
        names(muscle.counterparts) &&
        muscle.counterparts.every((name) => channels.includes(name)) &&
        (pattern === "all-entire" || muscle.counterparts.length > 0),
    );
  if (!whole) {
    throw new InputError(
      `${file}: expected complete metadata with 20 samples per cycle, found other fields`,
    );
  }
}

function latin(bytes) {
  return String.fromCharCode(...bytes);
}

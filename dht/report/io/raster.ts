// PNG from SVG: the only file that knows resvg (WebAssembly) and the font that its letters come from, so that a picture looks the
// same everywhere, fonts installed or none.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inflateSync } from 'node:zlib';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { OperationError } from '../../../core/base/result.ts';

const require = createRequire(import.meta.url);
/** Twice as fine as the SVG's own size: sharp on today's screens and in print. */
const ZOOM = 2;
const FAMILY = 'DejaVu Sans';

const WOFF_HEADER = 44;
const WOFF_ENTRY = 20;
const SFNT_HEADER = 12;
const SFNT_ENTRY = 16;

/** The TrueType font in a WOFF file (W3C WOFF 1.0): its tables, each inflated, behind the directory of an sfnt. */
function unwrapWoff(woff: Uint8Array): Uint8Array {
  const view = new DataView(woff.buffer, woff.byteOffset, woff.byteLength);
  const count = view.getUint16(12);
  const tables = Array.from({ length: count }, (_, i) => {
    const at = WOFF_HEADER + i * WOFF_ENTRY;
    const offset = view.getUint32(at + 4);
    const packed = woff.subarray(offset, offset + view.getUint32(at + 8));
    const length = view.getUint32(at + 12);
    return {
      tag: view.getUint32(at),
      checksum: view.getUint32(at + 16),
      bytes: packed.length < length ? inflateSync(packed) : packed,
    };
  });
  const start = SFNT_HEADER + count * SFNT_ENTRY;
  const padded = (length: number): number => (length + 3) & ~3;
  const font = new Uint8Array(tables.reduce((sum, { bytes }) => sum + padded(bytes.length), start));
  const out = new DataView(font.buffer);
  const power = 2 ** Math.floor(Math.log2(count));
  out.setUint32(0, view.getUint32(4));
  out.setUint16(4, count);
  out.setUint16(6, power * 16);
  out.setUint16(8, Math.log2(power));
  out.setUint16(10, (count - power) * 16);
  let end = start;
  for (const [i, { tag, checksum, bytes }] of tables.entries()) {
    const at = SFNT_HEADER + i * SFNT_ENTRY;
    out.setUint32(at, tag);
    out.setUint32(at + 4, checksum);
    out.setUint32(at + 8, end);
    out.setUint32(at + 12, bytes.length);
    font.set(bytes, end);
    end += padded(bytes.length);
  }
  return font;
}

let fonts: Promise<Uint8Array[]> | undefined;

async function load(): Promise<Uint8Array[]> {
  try {
    await initWasm(readFileSync(require.resolve('@resvg/resvg-wasm/index_bg.wasm')));
    return [
      require.resolve('@fontsource/dejavu-sans/files/dejavu-sans-latin-400-normal.woff'),
      require.resolve('@fontsource/dejavu-sans/files/dejavu-sans-latin-700-normal.woff'),
    ].map((path) => unwrapWoff(readFileSync(path)));
  } catch (error) {
    throw new OperationError('disk', `cannot load what draws PNG: ${(error as Error).message}`, {
      hint: 'Install tt again: its packages are not whole.',
      cause: error,
    });
  }
}

/** @throws OperationError `disk` when the packages are not there */
export async function pngOfSvg(svg: string): Promise<Uint8Array> {
  fonts ??= load();
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: ZOOM },
    font: { fontBuffers: await fonts, defaultFontFamily: FAMILY, sansSerifFamily: FAMILY },
  });
  try {
    return image.render().asPng();
  } finally {
    image.free();
  }
}

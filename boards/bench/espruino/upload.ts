/**
 * A program onto an Espruino board, through its console: everything erased, written in pieces that its input buffer holds,
 * each waited for; the whole checked by its CRC before it is ever run; then the board starts with it.
 *
 * A line that begins with 0x10 is not echoed, so whatever comes back is what we asked to be printed.
 */
import { crc32 } from "node:zlib";
import type { Model } from "./models.js";
import type { Serial } from "../../../runtime/board.js";
import { boardFault } from "../../../runtime/journal/store.js";

const answerWithinMs = 3000;
/** Erasing all pages of a large flash, and a digest of a whole program. */
const longWithinMs = 60_000;
/** As base 64 and with its command below the 1,024 bytes of the smallest board's input buffer. */
const pieceBytes = 400;
const file = ".bootcde";

export interface Console {
  /** What the board prints for this expression; undefined when it prints nothing in time. */
  value(expression: string, withinMs?: number): Promise<string | undefined>;
  /** Runs a statement and waits for nothing. */
  run(statement: string): void;
  close(): void;
}

/** Takes the console with Ctrl-C; undefined when nobody prompts. */
export async function openConsole(serial: Serial, withinMs = 1200): Promise<Console | undefined> {
  let heard = "";
  let look: (() => void) | undefined;
  serial.onReadable = () => setImmediate(() => {
    for (let bytes = serial.read(); bytes !== undefined; bytes = serial.read()) heard += Buffer.from(bytes).toString("latin1");
    look?.();
  });
  for (let bytes = serial.read(); bytes !== undefined; bytes = serial.read()) void bytes;
  const until = (found: () => boolean, ms: number): Promise<boolean> => new Promise((resolve) => {
    const late = setTimeout(() => { look = undefined; resolve(false); }, ms);
    look = () => { if (!found()) return; look = undefined; clearTimeout(late); resolve(true); };
    look();
  });
  const write = (text: string): void => serial.write(Buffer.from(text, "latin1"));
  let asked = 0;
  const console: Console = {
    value: async (expression, ms = answerWithinMs) => {
      const mark = `<${++asked}>`;
      heard = "";
      write(`\x10print("${mark}"+(${expression})+"</")\n`);
      return (await until(() => heard.includes("</"), ms)) ? heard.slice(heard.indexOf(mark) + mark.length, heard.indexOf("</")) : undefined;
    },
    run: (statement) => write(`\x10${statement}\n`),
    close: () => { serial.onReadable = undefined; },
  };
  for (let tries = 0; tries < 3; tries++) {
    heard = "";
    write("\x03\n");
    if (await until(() => heard.includes(">"), withinMs / 3) && (await console.value("1+1", withinMs)) === "2") return console;
  }
  console.close();
  return undefined;
}

export interface Uploaded { readonly bytes: number; readonly crc: number; readonly engine: string }

/** Throws a `BoardError` that says what is wrong and what to do. `told` hears how many bytes are there. */
export async function upload(console: Console, model: Model, code: Uint8Array, told: (written: number) => void = () => undefined): Promise<Uploaded> {
  const [id, engine] = ((await console.value('process.env.BOARD+" "+process.env.VERSION')) ?? "").split(" ");
  if (id !== model.id) throw boardFault("denied", `This is a board of another kind: it says ${id === undefined || id === "" ? "nothing" : id}, and a ${model.title} says ${model.id}. Give its own name with --board.`);
  const room = model.storage.pageBytes * model.storage.pages - 64;
  if (code.length > room) throw boardFault("full", `The program has ${code.length} bytes and a ${model.title} has room for ${room}: build it for this board.`);
  // No program of before runs meanwhile, and no file of before is left, keys among them.
  console.run("reset()");
  if ((await console.value('(require("Storage").eraseAll(),"erased")', longWithinMs)) !== "erased") throw silent();
  for (let at = 0; at < code.length; at += pieceBytes) {
    const piece = Buffer.from(code.subarray(at, at + pieceBytes)).toString("base64");
    const done = await console.value(`require("Storage").write("${file}",atob("${piece}"),${at},${code.length})`);
    if (done !== "true") throw boardFault("broken", `The board took ${at} of ${code.length} bytes and then ${done === undefined ? "nothing more" : `said "${done}"`}: try again; if it happens again, its flash is worn.`);
    told(Math.min(code.length, at + pieceBytes));
  }
  const crc = crc32(code);
  const there = await console.value(`E.CRC32(require("Storage").read("${file}"))`, longWithinMs);
  if (there === undefined || Number(there) >>> 0 !== crc) throw boardFault("broken", `What is on the board is not what was sent: its check sum is ${there ?? "not known"}, not ${crc}. Try again; if it happens again, its flash is worn.`);
  // Not at once, so that its answer says that it was heard before the port is given away.
  if ((await console.value("(setTimeout(load,100),1)")) === undefined) throw silent();
  return { bytes: code.length, crc, engine: engine ?? "" };
}

const silent = (): Error => boardFault("timed_out", "The board stopped answering: unplug it, plug it in again, and try once more.");

/**
 * A bench at a board's line: one question, one answer, on the link of the taps, knocked first so that a board that rests
 * knows a new session (`carry.ts`, `provision.ts`).
 */
import { randomBytes } from "node:crypto";
import type { Serial } from "../../../runtime/board.js";
import * as links from "../../../protocol/link/link.js";
import type { Medium } from "../../../protocol/link/media.js";
import { limits } from "../../../protocol/limits.js";
import { brought, decodeBrought, decodeHere, decodePiece, encodeBring, encodeFetch, encodeKnock, letterId, pieceOf, pieceOverheadBytes, type Here } from "../../../protocol/wire/carry.js";
import { nodeCrypto } from "../../../protocol/crypto/node/node.js";

export interface BenchLine {
  /** Begins a session; undefined when nobody answers in time. */
  knock(withinMs: number): Promise<Here | undefined>;
  /** Undefined when there is no answer in time: the line is bad, or the board has nothing to say to that. */
  ask(message: Uint8Array): Promise<Uint8Array | undefined>;
  /** The whole letter, or answer to the letter of this id; empty for none, undefined when the board does not answer. */
  fetch(what: number, letter: Uint8Array): Promise<Uint8Array | undefined>;
  /** What came of it, a code of `brought`; undefined when the board does not answer. */
  bring(bytes: Uint8Array): Promise<number | undefined>;
  close(): void;
}

const answerWithinMs = 3000;
const pieceBytes = 384;
const none = new Uint8Array(0);

export function benchLine(serial: Serial, medium: Medium): BenchLine {
  const link = links.makeLink(medium, true);
  let waiting: ((answer: Uint8Array | undefined) => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const pump = (): void => {
    clearTimeout(timer);
    const now = performance.now();
    for (let bytes = serial.read(); bytes !== undefined; bytes = serial.read()) {
      for (const message of links.receive(link, bytes, now).messages) { const answer = waiting; waiting = undefined; answer?.(message); }
    }
    for (const bytes of links.poll(link, performance.now()).output) serial.write(bytes);
    const due = links.deadline(link);
    if (due >= 0) timer = setTimeout(pump, Math.max(1, due - performance.now()));
  };
  serial.onReadable = () => setImmediate(pump);

  const say = (message: Uint8Array, first: boolean, withinMs: number): Promise<Uint8Array | undefined> => new Promise((resolve) => {
    const late = setTimeout(() => { if (waiting === answer) { waiting = undefined; resolve(undefined); } }, withinMs);
    const answer = (bytes: Uint8Array | undefined): void => { clearTimeout(late); resolve(bytes); };
    waiting = answer;
    links.send(link, message, { first, last: false });
    pump();
  });
  const ask = (message: Uint8Array): Promise<Uint8Array | undefined> => say(message, false, answerWithinMs);

  return {
    ask,
    knock: async (withinMs) => {
      const nonce = new Uint8Array(randomBytes(8));
      const said = await say(encodeKnock(nonce), true, withinMs);
      const here = said === undefined ? undefined : decodeHere(said);
      return here !== undefined && Buffer.compare(here.nonce, nonce) === 0 ? here : undefined;
    },
    fetch: async (what, letter) => {
      const parts: Uint8Array[] = [];
      let id = letter;
      for (let from = 0; from <= limits.envelopeBytesMax;) {
        const said = await ask(encodeFetch({ what, letter: id, from, most: pieceBytes }));
        const piece = said === undefined ? undefined : decodePiece(said);
        if (piece === undefined) return undefined;
        if (piece === "none") return parts.length === 0 ? none : undefined;
        parts.push(piece.bytes);
        [id, from] = [piece.letter, from + piece.bytes.length];
        if (from >= piece.total) return new Uint8Array(Buffer.concat(parts));
      }
      return undefined;
    },
    bring: async (bytes) => {
      const id = letterId(nodeCrypto, bytes);
      let [have, most] = [0, pieceBytes];
      for (let turns = 0; turns < 1000; turns++) {
        const said = await ask(encodeBring(pieceOf(id, bytes, have, Math.min(most, pieceBytes))));
        const b = said === undefined ? undefined : decodeBrought(said);
        if (b === undefined) return undefined;
        if (b.code !== brought.more) return b.code;
        [have, most] = [b.have, Math.max(1, b.most - pieceOverheadBytes)];
      }
      return undefined;
    },
    close: () => { clearTimeout(timer); serial.onReadable = undefined; waiting?.(undefined); },
  };
}

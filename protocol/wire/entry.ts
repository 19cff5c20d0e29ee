/**
 * What a terminal journals and the host takes in, entry by entry, in the order it happened. A finished record is what
 * money is paid for; the others say what became of it, or that nothing more will (`tap.md` §3, §4).
 */
import { done, fail, finish, readArray, readBool, readBytes, readText, readUint, reading, writeArray, writeBool, writeBytes, writeInt, writeText, writer, type Reader } from "./cbor.js";
import { decodeFinishedA, decodeFinishedB, decodeReceipt, decodeReversal } from "./receipt.js";

/** `finished`: the record itself, and what a terminal needs of its value to start again without decoding every claim. */
export interface FinishedEntry {
  kind: "finished";
  profile: "A" | "B";
  /** `encodeFinishedA` or `encodeFinishedB`. */
  record: Uint8Array;
  valueKind: string;
  /** False when another terminal made the receipt and handed it over. */
  own: boolean;
  ownerSequence: number;
  statusIndex: number;
  /** End of the value's window: how long its notice must be kept. */
  expires: number;
}
/** One-way class: what was shown, and when it was accepted. */
export interface BeaconEntry { kind: "beacon"; beacon: Uint8Array; valueId: Uint8Array; step: number; zone: number; action: number; expires: number; at: number; quality: number }
export interface OutcomeEntry { kind: "outcome"; valueId: Uint8Array; counter: number; turned: boolean; at: number; quality: number }
/** Opened once more for a use whose outcome a power cut hid, or whose turnstile did not turn. */
export interface ReopenedEntry { kind: "reopened"; valueId: Uint8Array; counter: number; at: number; quality: number }
/** A signed (A) or MACed (B) reversal. */
export interface ReversalEntry { kind: "reversal"; reversal: Uint8Array; proof: Uint8Array }
/** The right to finish a receipt of ours went to another terminal. */
export interface HandoverEntry { kind: "handover"; valueId: Uint8Array; counter: number; to: Uint8Array; receiptDigest: Uint8Array; at: number; quality: number }
/** No tap with this number or a lower one will be finished any more. */
export interface ClosedEntry { kind: "closed"; tap: number }
export interface BootEntry { kind: "boot"; boot: number; at: number; quality: number }
/** Tap numbers up to this one may be used in this boot: durable before the first of them is. */
export interface CeilingEntry { kind: "ceiling"; tap: number }
/** Somebody was told no. Written lazily. */
export interface RefusedEntry { kind: "refused"; code: number; valueId: Uint8Array; at: number; quality: number }
/** Two signed objects with one number, or another lie; both kept for the host. */
export interface IncidentEntry { kind: "incident"; what: string; first: Uint8Array; second: Uint8Array }

/** What is still needed of entries whose page is given back: the newest state of one value here (`tap.md` §5, notices). */
export interface NoticeEntry {
  kind: "notice"; valueId: Uint8Array; counter: number; spentOnBase: number; baseCounter: number; day: number; usesToday: number; lastAction: number; lastAt: number;
  ownerSequence: number; beaconUses: number; expires: number;
}

export type Entry =
  | FinishedEntry | BeaconEntry | OutcomeEntry | ReopenedEntry | ReversalEntry | HandoverEntry | ClosedEntry | BootEntry | CeilingEntry | RefusedEntry
  | IncidentEntry | NoticeEntry;

const number = { finished: 1, beacon: 2, outcome: 3, reopened: 4, reversal: 5, handover: 6, closed: 7, boot: 8, ceiling: 9, refused: 10, incident: 11, notice: 12 } as const;

export function encodeEntry(e: Entry): Uint8Array {
  const w = writer();
  switch (e.kind) {
    case "finished":
      writeArray(w, 8); writeInt(w, number.finished); writeInt(w, e.profile === "A" ? 1 : 2); writeBytes(w, e.record); writeText(w, e.valueKind);
      writeBool(w, e.own); writeInt(w, e.ownerSequence); writeInt(w, e.statusIndex); writeInt(w, e.expires);
      break;
    case "beacon":
      writeArray(w, 9); writeInt(w, number.beacon); writeBytes(w, e.beacon); writeBytes(w, e.valueId); writeInt(w, e.step); writeInt(w, e.zone);
      writeInt(w, e.action); writeInt(w, e.expires); writeInt(w, e.at); writeInt(w, e.quality);
      break;
    case "outcome":
      writeArray(w, 6); writeInt(w, number.outcome); writeBytes(w, e.valueId); writeInt(w, e.counter); writeBool(w, e.turned); writeInt(w, e.at); writeInt(w, e.quality);
      break;
    case "reopened":
      writeArray(w, 5); writeInt(w, number.reopened); writeBytes(w, e.valueId); writeInt(w, e.counter); writeInt(w, e.at); writeInt(w, e.quality);
      break;
    case "reversal":
      writeArray(w, 3); writeInt(w, number.reversal); writeBytes(w, e.reversal); writeBytes(w, e.proof);
      break;
    case "handover":
      writeArray(w, 7); writeInt(w, number.handover); writeBytes(w, e.valueId); writeInt(w, e.counter); writeBytes(w, e.to); writeBytes(w, e.receiptDigest);
      writeInt(w, e.at); writeInt(w, e.quality);
      break;
    case "closed": writeArray(w, 2); writeInt(w, number.closed); writeInt(w, e.tap); break;
    case "boot": writeArray(w, 4); writeInt(w, number.boot); writeInt(w, e.boot); writeInt(w, e.at); writeInt(w, e.quality); break;
    case "ceiling": writeArray(w, 2); writeInt(w, number.ceiling); writeInt(w, e.tap); break;
    case "refused":
      writeArray(w, 5); writeInt(w, number.refused); writeInt(w, e.code); writeBytes(w, e.valueId); writeInt(w, e.at); writeInt(w, e.quality);
      break;
    case "notice":
      writeArray(w, 12); writeInt(w, number.notice); writeBytes(w, e.valueId); writeInt(w, e.counter); writeInt(w, e.spentOnBase); writeInt(w, e.baseCounter);
      writeInt(w, e.day); writeInt(w, e.usesToday); writeInt(w, e.lastAction); writeInt(w, e.lastAt); writeInt(w, e.ownerSequence); writeInt(w, e.beaconUses);
      writeInt(w, e.expires);
      break;
    case "incident": writeArray(w, 4); writeInt(w, number.incident); writeText(w, e.what); writeBytes(w, e.first); writeBytes(w, e.second); break;
  }
  return finish(w);
}

/** The entry in these bytes, or undefined. */
export function decodeEntry(bytes: Uint8Array): Entry | undefined {
  const r = reading(bytes);
  const items = readArray(r);
  const kind = readUint(r);
  let e: Entry | undefined;
  let expected = 0;
  switch (kind) {
    case number.finished: {
      expected = 8;
      const profile = readUint(r);
      if (profile !== 1 && profile !== 2) fail(r);
      e = {
        kind: "finished", profile: profile === 1 ? "A" : "B", record: readBytes(r), valueKind: readText(r), own: readBool(r), ownerSequence: readUint(r),
        statusIndex: readUint(r), expires: readUint(r),
      };
      break;
    }
    case number.beacon:
      expected = 9;
      e = {
        kind: "beacon", beacon: readBytes(r), valueId: readBytes(r, 8), step: readUint(r), zone: readUint(r), action: readAction(r, 1), expires: readUint(r),
        at: readUint(r), quality: readQuality(r),
      };
      break;
    case number.outcome:
      expected = 6;
      e = { kind: "outcome", valueId: readBytes(r, 8), counter: readUint(r), turned: readBool(r), at: readUint(r), quality: readQuality(r) };
      break;
    case number.reopened:
      expected = 5;
      e = { kind: "reopened", valueId: readBytes(r, 8), counter: readUint(r), at: readUint(r), quality: readQuality(r) };
      break;
    case number.reversal: expected = 3; e = { kind: "reversal", reversal: readBytes(r), proof: readBytes(r) }; break;
    case number.handover:
      expected = 7;
      e = {
        kind: "handover", valueId: readBytes(r, 8), counter: readUint(r), to: readBytes(r, 8), receiptDigest: readBytes(r, 16), at: readUint(r), quality: readQuality(r),
      };
      break;
    case number.closed: expected = 2; e = { kind: "closed", tap: readUint(r) }; break;
    case number.boot: expected = 4; e = { kind: "boot", boot: readUint(r), at: readUint(r), quality: readQuality(r) }; break;
    case number.ceiling: expected = 2; e = { kind: "ceiling", tap: readUint(r) }; break;
    case number.refused: expected = 5; e = { kind: "refused", code: readUint(r), valueId: readIdOrNone(r), at: readUint(r), quality: readQuality(r) }; break;
    case number.notice:
      expected = 12;
      e = {
        kind: "notice", valueId: readBytes(r, 8), counter: readUint(r), spentOnBase: readUint(r), baseCounter: readUint(r), day: readUint(r), usesToday: readUint(r),
        lastAction: readAction(r, 0), lastAt: readUint(r), ownerSequence: readUint(r), beaconUses: readUint(r), expires: readUint(r),
      };
      break;
    case number.incident: expected = 4; e = { kind: "incident", what: readText(r), first: readBytes(r), second: readBytes(r) }; break;
  }
  if (items !== expected) fail(r);
  return done(r) ? e : undefined;
}

function readQuality(r: Reader): number {
  const quality = readUint(r);
  if (quality > 3) fail(r);
  return quality;
}
/** `action`, or 0 for none yet where `least` is 0. */
function readAction(r: Reader, least: number): number {
  const action = readUint(r);
  if (action < least || action > 4) fail(r);
  return action;
}
/** Of a value that was never read there is no id. */
function readIdOrNone(r: Reader): Uint8Array {
  const id = readBytes(r);
  if (id.length !== 0 && id.length !== 8) fail(r);
  return id;
}

/** Certificate, or terminal without one, that receipt or reversal in this entry names; undefined for other entries and for what cannot be read. */
export function signerNamedIn(bytes: Uint8Array): Uint8Array | undefined {
  const e = decodeEntry(bytes);
  if (e === undefined) return undefined;
  if (e.kind === "reversal") {
    const reversal = decodeReversal(e.reversal);
    return reversal === undefined ? undefined : reversal.terminal;
  }
  if (e.kind !== "finished") return undefined;
  const record = e.profile === "A" ? decodeFinishedA(e.record) : decodeFinishedB(e.record);
  const receipt = record === undefined ? undefined : decodeReceipt(record.receipt);
  return receipt === undefined ? undefined : receipt.terminal;
}

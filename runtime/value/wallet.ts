/**
 * The wallet: values on a handset, each with its newest receipt and what is not yet resolved (`tap.md` §3, handset).
 *
 * Every change is one cell write, durable before it is acted on. The newest receipt never goes back to an older one, and a
 * receipt that waits for its outcome asks its holder one question: were you let through?
 */
import { dropCell, readCell, writeCell, type Cells } from "../journal/cells.js";
import { boardFault } from "../journal/store.js";
import type { HeldCertificate } from "../../protocol/session/book.js";
import type { Held, Wallet } from "../../protocol/session/holder.js";
import { assert } from "../../protocol/assert.js";
import { limits } from "../../protocol/limits.js";
import { equal, hex } from "../../protocol/wire/bytes.js";
import { decodeTerminalCertificate, type SignedClaims } from "../../protocol/wire/certificate.js";
import {
  done, finish, readArray, readBool, readBytes, readNull, readText, readUint, reader, writeArray, writeBool, writeBytes, writeInt, writeNull, writeText, writer, type Reader,
  type Writer,
} from "../../protocol/wire/cbor.js";
import { intent, offer, type Hello } from "../../protocol/wire/message.js";
import { decodeReceipt, type Receipt } from "../../protocol/wire/receipt.js";
import { decodeSignedClaims, encodeSignedClaims } from "../../protocol/wire/sync.js";
import { readList } from "../../protocol/wire/lists.js";
import { decodeValue, flag, type Value } from "../../protocol/wire/value.js";

/** A receipt as kept: with what proves it, and what became of it. */
export interface KeptReceipt {
  receipt: Uint8Array;
  proof: Uint8Array;
  certificate: SignedClaims | undefined;
  /** "unresolved", "finished", "turned", "used" or "reversed". */
  state: string;
  reversal: { reversal: Uint8Array; signature: Uint8Array } | undefined;
}

/** Profile B's part of a value. */
export interface Grant { claims: Uint8Array; mac: Uint8Array; key: Uint8Array; group: number; epoch: number }

export interface WalletValue {
  name: string;
  signed: SignedClaims;
  value: Value;
  issuerPart: Uint8Array;
  grant: Grant | undefined;
  /** Newest last; older ones are kept for the holder and for reports, at most `receiptsMax`. */
  receipts: KeptReceipt[];
  grantReceipts: KeptReceipt[];
  showCertificate: boolean;
  /** To whom it was handed on (P18); empty while it is ours. Durable before the deed leaves, and never shown again. */
  given: string;
}

export interface WalletState { readonly cells: Cells; values: WalletValue[]; /** Chosen for the next tap; undefined: the first that fits. */ chosen: Uint8Array | undefined; intent: number; profile: "A" | "B" | undefined }

const receiptsMax = 64;
/** Certificates of terminals met; the one met longest ago makes room. */
const certificatesMax = 64;

export function openWallet(cells: Cells): WalletState {
  const w: WalletState = { cells: cells, values: [], chosen: undefined, intent: intent.use, profile: undefined };
  const r = reader(orEmpty(readCell(cells, "values")));
  const ids = readList(r, (from) => readBytes(from));
  if (!done(r)) return w;
  for (const id of ids) {
    const value = decodeKept(orEmpty(readCell(cells, "value " + hex(id))));
    if (value !== undefined) w.values.push(value);
  }
  return w;
}

function orEmpty(bytes: Uint8Array | undefined): Uint8Array {
  return bytes === undefined ? new Uint8Array(0) : bytes;
}

/** Takes a delivered value, durably. The same again changes nothing; false for one that does not read. Throws a `BoardError`: `full`. */
export function addValue(w: WalletState, name: string, signed: SignedClaims, issuerPart: Uint8Array, grant: Grant | undefined): boolean {
  const value = decodeValue(signed.claims);
  if (value === undefined) return false;
  const held = valueOf(w, value.valueId);
  if (held !== undefined && held.value.ownerSequence >= value.ownerSequence) return true;
  if (held !== undefined) { comeBack(w, held, name, signed, issuerPart); return true; }
  if (w.values.length >= limits.listItemsMax) throw boardFault("full", "The wallet is full: remove values that have ended.");
  const kept: WalletValue = { name: name, signed: signed, value: value, issuerPart: issuerPart, grant: grant, receipts: [], grantReceipts: [], showCertificate: false, given: "" };
  keep(w, kept);
  const list = writer();
  writeArray(list, w.values.length + 1);
  for (const v of w.values) writeBytes(list, v.value.valueId);
  writeBytes(list, value.valueId);
  writeCell(w.cells, "values", finish(list));
  w.values.push(kept);
  return true;
}

/** A value that was handed on is ours again, under a later owner step: nothing of the old one counts. */
function comeBack(w: WalletState, held: WalletValue, name: string, signed: SignedClaims, issuerPart: Uint8Array): void {
  held.name = name;
  held.signed = signed;
  held.value = decodeValue(signed.claims)!;
  held.issuerPart = issuerPart;
  held.grant = undefined;
  held.receipts = [];
  held.grantReceipts = [];
  held.showCertificate = false;
  held.given = "";
  keep(w, held);
}

/** A grant for another epoch in place of the one held, durably: its chain begins anew. The same again changes nothing. */
export function setGrant(w: WalletState, v: WalletValue, grant: Grant): void {
  if (v.grant !== undefined && equal(v.grant.claims, grant.claims)) return;
  const before = v.grant;
  const chain = v.grantReceipts;
  v.grant = grant;
  v.grantReceipts = [];
  try { keep(w, v); } catch (error) { v.grant = before; v.grantReceipts = chain; throw error; }
}

/** Hands a value on, or takes that back when it came to nothing; durable when this returns. */
export function setGiven(w: WalletState, v: WalletValue, to: string): void {
  const before = v.given;
  v.given = to;
  try { keep(w, v); } catch (error) { v.given = before; throw error; }
}

export function valueOf(w: WalletState, valueId: Uint8Array): WalletValue | undefined {
  for (const v of w.values) if (equal(v.value.valueId, valueId)) return v;
  return undefined;
}

function byGrant(w: WalletState, grantId: Uint8Array): WalletValue | undefined {
  for (const v of w.values) {
    const grant = v.grant === undefined ? undefined : decodeValue(v.grant.claims);
    if (grant !== undefined && equal(grant.valueId, grantId)) return v;
  }
  return undefined;
}

export function newestOf(list: readonly KeptReceipt[]): KeptReceipt | undefined {
  return list[list.length - 1];
}

/** The newest state as a receipt; undefined at counter 0. */
export function newestReceipt(v: WalletValue): Receipt | undefined {
  const newest = newestOf(v.receipts);
  return newest === undefined ? undefined : decodeReceipt(newest.receipt);
}

// ---- what happens in a tap -----------------------------------------------------------------------------------------------

function chainOf(w: WalletState, id: Uint8Array): { value: WalletValue; chain: KeptReceipt[] } {
  const value = valueOf(w, id);
  if (value !== undefined) return { value: value, chain: value.receipts };
  const granted = byGrant(w, id);
  assert(granted !== undefined, "a receipt belongs to a value of this wallet");
  return { value: granted!, chain: granted!.grantReceipts };
}

/** Durable as newest when this returns; when that fails nothing has changed. The counter only rises. */
export function storeReceipt(w: WalletState, id: Uint8Array, receipt: Uint8Array, proof: Uint8Array, certificate: SignedClaims | undefined, state: string): void {
  const found = chainOf(w, id);
  const before = newestOf(found.chain);
  assert(before === undefined || decodeReceipt(before.receipt)!.counter < decodeReceipt(receipt)!.counter, "a stored receipt is newer than the last");
  const all = found.chain.slice();
  const shown = found.value.showCertificate;
  if (found.chain.length >= receiptsMax) found.chain.shift();
  found.chain.push({ receipt: receipt, proof: proof, certificate: certificate, state: state, reversal: undefined });
  found.value.showCertificate = false;
  try {
    keep(w, found.value);
  } catch (error) {
    found.chain.splice(0);
    for (const kept of all) found.chain.push(kept);
    found.value.showCertificate = shown;
    throw error;
  }
}

export function resolveReceipt(w: WalletState, id: Uint8Array, counter: number, outcome: string): void {
  const found = chainOf(w, id);
  for (const kept of found.chain) if (decodeReceipt(kept.receipt)!.counter === counter) kept.state = outcome;
  keep(w, found.value);
}

export function storeReversal(w: WalletState, id: Uint8Array, counter: number, reversal: Uint8Array, signature: Uint8Array): void {
  const found = chainOf(w, id);
  for (const kept of found.chain) {
    if (decodeReceipt(kept.receipt)!.counter !== counter) continue;
    kept.reversal = { reversal: reversal, signature: signature };
    kept.state = "reversed";
  }
  keep(w, found.value);
}

export function showCertificate(w: WalletState, id: Uint8Array): void {
  const found = chainOf(w, id);
  found.value.showCertificate = true;
  keep(w, found.value);
}

/** A certificate that was met and checked. Receipts keep those that prove them themselves. */
export function keepCertificate(w: WalletState, id: Uint8Array, c: HeldCertificate): void {
  const name = certificateCell + hex(id);
  if (readCell(w.cells, name) !== undefined) return;
  const met = w.cells.values.filter((cell) => cell.name.indexOf(certificateCell) === 0);
  for (let i = 0; i <= met.length - certificatesMax; i++) dropCell(w.cells, met[i]!.name);
  writeCell(w.cells, name, encodeSignedClaims(c.signed.kid, c.signed.claims, c.signed.signature));
}
const certificateCell = "terminal ";

// ---- what the holder asks ---------------------------------------------------------------------------------------------------

/** The wallet as the holder sees it. `revokedTerminals`: ids that a revocation names. */
export function walletView(w: WalletState, revokedTerminals: readonly Uint8Array[]): Wallet {
  return {
    // What cannot be written any more, or was damaged, may be older than it was: a state is not shown twice.
    choose: (hello) => (w.cells.fault === undefined ? choose(w, hello) : undefined),
    certificate: (id) => {
      const signed = decodeSignedClaims(orEmpty(readCell(w.cells, certificateCell + hex(id))));
      const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
      return signed === undefined || decoded === undefined ? undefined : { signed: signed, decoded: decoded };
    },
    terminalRevoked: (id) => revokedTerminals.some((known) => equal(known, id)),
  };
}

/**
 * The value chosen by its holder if it fits, else the first that is wanted, unspent first. Where only MACs are spoken one with a
 * grant for this group goes first; without any, the value itself says that there is no common profile (code 4).
 */
function choose(w: WalletState, hello: Hello): Held | undefined {
  const onlyB = (hello.offer & offer.profileA) === 0;
  const wantsB = onlyB || w.profile === "B";
  let best: WalletValue | undefined;
  for (const v of w.values) {
    const chosen = w.chosen === undefined || equal(w.chosen, v.value.valueId);
    if (chosen && v.given === "" && hello.want.kinds.indexOf(v.value.kind) >= 0 && (best === undefined || isBetter(v, best, hello, wantsB))) best = v;
  }
  if (best === undefined) return undefined;
  if (wantsB && hasGrant(best, hello)) return heldGrant(best, w.intent);
  return wantsB && !onlyB ? undefined : heldValue(best, w.intent);
}

function isBetter(v: WalletValue, best: WalletValue, hello: Hello, wantsB: boolean): boolean {
  if (wantsB && hasGrant(v, hello) !== hasGrant(best, hello)) return hasGrant(v, hello);
  return isSpent(best) && !isSpent(v);
}

/** A grant for the group and epoch that this hello names. */
function hasGrant(v: WalletValue, hello: Hello): boolean {
  return (hello.offer & offer.profileB) !== 0 && v.grant !== undefined && hello.group !== undefined && v.grant.group === hello.group.group && v.grant.epoch === hello.group.epoch;
}

function isSpent(v: WalletValue): boolean {
  const newest = newestReceipt(v);
  return newest !== undefined && newest.after >= v.value.most;
}

function heldValue(v: WalletValue, wanted: number): Held {
  const newest = newestOf(v.receipts);
  return {
    profile: "A", signed: v.signed, value: v.value, key: v.value.valueId, grantKey: new Uint8Array(0),
    newest: newest === undefined ? undefined : { receipt: newest.receipt, proof: newest.proof, certificate: newest.certificate },
    undone: newest === undefined ? undefined : newest.reversal, intent: newest === undefined ? intent.use : wanted, showCertificate: v.showCertificate,
  };
}

function heldGrant(v: WalletValue, wanted: number): Held | undefined {
  const grant = v.grant!;
  const value = decodeValue(grant.claims);
  const newest = newestOf(v.grantReceipts);
  if (value === undefined || (value.flags & flag.profileB) === 0) return undefined;
  return {
    profile: "B", signed: { kid: new Uint8Array(0), claims: grant.claims, signature: grant.mac }, value: value, key: v.value.valueId, grantKey: grant.key,
    newest: newest === undefined ? undefined : { receipt: newest.receipt, proof: newest.proof, certificate: undefined }, undone: undefined,
    intent: newest === undefined ? intent.use : wanted, showCertificate: false,
  };
}

// ---- cells --------------------------------------------------------------------------------------------------------------------

function keep(w: WalletState, v: WalletValue): void {
  const out = writer();
  writeArray(out, 8);
  writeText(out, v.name);
  writeBytes(out, encodeSignedClaims(v.signed.kid, v.signed.claims, v.signed.signature));
  writeBytes(out, v.issuerPart);
  writeBool(out, v.showCertificate);
  if (v.grant === undefined) writeNull(out);
  else {
    writeArray(out, 5);
    writeBytes(out, v.grant.claims); writeBytes(out, v.grant.mac); writeBytes(out, v.grant.key); writeInt(out, v.grant.group); writeInt(out, v.grant.epoch);
  }
  writeReceipts(out, v.receipts);
  writeReceipts(out, v.grantReceipts);
  writeText(out, v.given);
  writeCell(w.cells, "value " + hex(v.value.valueId), finish(out));
}

function writeReceipts(w: Writer, list: readonly KeptReceipt[]): void {
  writeArray(w, list.length);
  for (const kept of list) {
    writeArray(w, 5);
    writeBytes(w, kept.receipt); writeBytes(w, kept.proof);
    if (kept.certificate === undefined) writeNull(w); else writeBytes(w, encodeSignedClaims(kept.certificate.kid, kept.certificate.claims, kept.certificate.signature));
    writeText(w, kept.state);
    if (kept.reversal === undefined) writeNull(w);
    else { writeArray(w, 2); writeBytes(w, kept.reversal.reversal); writeBytes(w, kept.reversal.signature); }
  }
}

function decodeKept(bytes: Uint8Array): WalletValue | undefined {
  const r = reader(bytes);
  readArray(r, 8);
  const name = readText(r);
  const signed = decodeSignedClaims(readBytes(r));
  const issuerPart = readBytes(r);
  const shows = readBool(r);
  let grant: Grant | undefined;
  if (!readNull(r)) {
    readArray(r, 5);
    grant = { claims: readBytes(r), mac: readBytes(r, 8), key: readBytes(r, 32), group: readUint(r), epoch: readUint(r) };
  }
  const receipts = readList(r, readKept);
  const grantReceipts = readList(r, readKept);
  const given = readText(r);
  const value = signed === undefined ? undefined : decodeValue(signed.claims);
  if (!done(r) || signed === undefined || value === undefined) return undefined;
  return { name: name, signed: signed, value: value, issuerPart: issuerPart, grant: grant, receipts: receipts, grantReceipts: grantReceipts, showCertificate: shows, given: given };
}

function readKept(r: Reader): KeptReceipt {
  readArray(r, 5);
  const kept: KeptReceipt = { receipt: readBytes(r), proof: readBytes(r), certificate: undefined, state: "", reversal: undefined };
  if (!readNull(r)) kept.certificate = decodeSignedClaims(readBytes(r));
  kept.state = readText(r);
  if (!readNull(r)) { readArray(r, 2); kept.reversal = { reversal: readBytes(r), signature: readBytes(r, 64) }; }
  return kept;
}

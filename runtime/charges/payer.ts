/**
 * The handset of somebody who uses meters and receivers (U1–U4, S9): asking a terminal for one's own statement, and settling with
 * the host. A payment is stored before it is first sent, and its receipt before it is acknowledged, so a handset that loses its
 * power goes on where it was, and one that is restored from an old copy is answered by what was paid.
 */
import type { Keys, Random } from "../board.js";
import { dropCell, readCell, writeCell, type Cells } from "../journal/cells.js";
import { providerKeys, type Trust } from "../sync/trust.js";
import { newestOf, storeReceipt, valueOf, type WalletState } from "../value/wallet.js";
import { checkStatement, type CheckedStatement } from "./verify.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { copy, hex } from "../../protocol/wire/bytes.js";
import { certificateId, decodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { direction, openPaired, pairKeys, readPaired, sealPaired, type PairKeys } from "../../protocol/wire/paired.js";
import { acknowledgementToSign, decodeReceipt, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";
import { decodeSettleAnswer, decodeSettling, encodeSettleAcknowledged, encodeSettling, payBy, settleCode, settleType, type Owed, type Settling } from "../../protocol/wire/settle.js";
import { keyId } from "../../protocol/wire/signed.js";
import { encodeStatementAsk } from "../../protocol/wire/statement.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";
import { signersFor } from "../sync/trust.js";

/** What a payer is on a handset. `signer` and `opener` name the device's signing and agreement keys. */
export interface Payer { readonly crypto: Crypto; readonly keys: Keys; readonly random: Random; readonly cells: Cells; readonly trust: Trust; readonly wallet: WalletState; readonly signer: string; readonly opener: string }

const none = new Uint8Array(0);

// ---- one's own statement ------------------------------------------------------------------------------------------------------------

function keysWith(p: Payer, certificate: Uint8Array, way: number): { keys: PairKeys; own: Uint8Array } | undefined {
  const signed = decodeSignedClaims(certificate);
  const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  const device = p.keys.publicKey(p.signer);
  const shared = decoded === undefined ? undefined : p.keys.agree(p.opener, decoded.agreementKey);
  if (signed === undefined || device === undefined || shared === undefined) return undefined;
  const own = keyId(p.crypto, device);
  return { keys: pairKeys(p.crypto, shared, certificateId(p.crypto, signed.claims), own, way), own: own };
}

/** The letter that asks the terminal of this certificate for one's records from `from` on, with `ocmf` also in that form. */
export function askStatement(p: Payer, certificate: Uint8Array, from: number, ocmf: boolean): Uint8Array | undefined {
  const k = keysWith(p, certificate, direction.fromUser);
  return k === undefined ? undefined : sealPaired(p.crypto, k.keys, k.own, encodeStatementAsk({ from: from, nonce: p.random.fill(8), ocmf: ocmf }));
}

/** The terminal's answer, opened and checked; `bytes` is what may be kept and shown to others. */
export function openStatement(p: Payer, certificate: Uint8Array, answer: Uint8Array): { bytes: Uint8Array; checked: CheckedStatement } | undefined {
  const k = keysWith(p, certificate, direction.toUser);
  const letter = readPaired(answer);
  const text = k === undefined || letter === undefined ? undefined : openPaired(p.crypto, k.keys, letter);
  const checked = text === undefined ? undefined : checkStatement(p.crypto, providerKeys(p.trust, "certificates"), text);
  return text === undefined || checked === undefined ? undefined : { bytes: text, checked: checked };
}

// ---- settling --------------------------------------------------------------------------------------------------------------------------

const cell = "settling";

/** What is to be posted to the host next, as type and body. */
export interface Said { type: number; body: Uint8Array }

/** A payment that was begun and not finished, perhaps before a restart: said again, under its own name. */
export function unfinished(p: Payer): Said | undefined {
  const held = readCell(p.cells, cell);
  return held === undefined || held.length === 0 ? undefined : { type: settleType.settle, body: held };
}

/**
 * Begins to pay what the host said is owed, with a value of this handset, or through a processor. `more`: allowance beyond
 * it. Durable before it is answered; undefined for a value that is not here, or while another payment is not finished.
 */
export function beginSettling(p: Payer, owed: Owed, valueId: Uint8Array, processor: string, method: string, more: number): Said | undefined {
  if (unfinished(p) !== undefined || owed.amount + more < 1) return undefined;
  const v = processor === "" ? valueOf(p.wallet, valueId) : undefined;
  if (processor === "" && v === undefined) return undefined;
  const newest = v === undefined ? undefined : newestOf(v.receipts);
  const x: Settling = {
    payment: p.random.fill(16), terminal: owed.terminal, user: owed.user, through: owed.through, amount: owed.amount + more, by: v === undefined ? payBy.processor : payBy.value, value: v === undefined ? none : valueId,
    receipt: newest === undefined ? none : newest.receipt, proof: newest === undefined ? none : newest.proof, processor: processor, method: method,
  };
  const body = encodeSettling(x);
  writeCell(p.cells, cell, body);
  return { type: settleType.settle, body: body };
}

/** `next`: to be posted. `done`: paid, and the letter for the terminal. `refused`: not paid, by this code, and over. `again`: ask again later. */
export type Step = { step: "next"; said: Said } | { step: "done"; letter: Uint8Array; result: Uint8Array } | { step: "refused"; code: number } | { step: "again" };

/** Takes the host's answer to *settle* or *settled*. */
export function takeSettling(p: Payer, body: Uint8Array): Step {
  const a = decodeSettleAnswer(body);
  const held = readCell(p.cells, cell);
  const x = held === undefined ? undefined : decodeSettling(held);
  if (a === undefined || x === undefined || a.code === settleCode.pending) return { step: "again" };
  if (a.receipt.length > 0 && !keepReceipt(p, x, a.receipt, a.signature)) return { step: "again" };
  if (a.code === settleCode.acknowledge) return acknowledge(p, x, a.receipt);
  dropCell(p.cells, cell);
  if (a.code !== settleCode.settled) return { step: "refused", code: a.code };
  return { step: "done", letter: copy(a.letter, 0, a.letter.length), result: copy(a.result, 0, a.result.length) };
}

/** Durable before it is acknowledged. Only a receipt of the provider over exactly this payment, that follows the newest state, is. */
function keepReceipt(p: Payer, x: Settling, bytes: Uint8Array, signature: Uint8Array): boolean {
  const v = valueOf(p.wallet, x.value);
  const receipt = decodeReceipt(bytes);
  if (v === undefined || receipt === undefined) return false;
  const newest = newestOf(v.receipts);
  if (newest !== undefined && hex(newest.receipt) === hex(bytes)) return true;
  const before = newest === undefined ? undefined : decodeReceipt(newest.receipt);
  const follows = receipt.kind === receiptKind.host && receipt.amount === x.amount && receipt.counter === (before === undefined ? 1 : before.counter + 1)
    && receipt.after === (before === undefined ? 0 : before.after) + x.amount && hex(receipt.previous) === hex(digest16(p.crypto, newest === undefined ? v.signed.claims : newest.receipt));
  if (!follows || !signersFor(p.trust, "values").some((key) => p.crypto.verify(key.publicKey, receiptToSign(bytes), signature))) return false;
  storeReceipt(p.wallet, x.value, bytes, signature, undefined, "finished");
  return true;
}

function acknowledge(p: Payer, x: Settling, receipt: Uint8Array): Step {
  const signature = p.keys.sign("value " + hex(x.value), acknowledgementToSign(p.crypto, receipt));
  if (signature === undefined) return { step: "again" };
  return { step: "next", said: { type: settleType.settled, body: encodeSettleAcknowledged({ payment: x.payment, signature: signature }) } };
}

/**
 * What a meter or receiver hands to couriers, and what it takes from them: for the host a statement of each user of whom there
 * is news, sealed; for a user his own, on his request; from the host results and plan (U1–U3).
 *
 * Keys follow from the terminal's agreement key and the other's, so a letter under the certificate before the present one is
 * opened too, as long as its key is here.
 */
import { refreshFor, takePlan, takeResult, type Charges, type Time } from "./charges.js";
import { recordsFrom, streamOf, type Stream } from "./history.js";
import { newestOf } from "../sync/trust.js";
import { limits } from "../../protocol/limits.js";
import { equal, hex } from "../../protocol/wire/bytes.js";
import { certificateId, decodeTerminalCertificate, type TerminalCertificate } from "../../protocol/wire/certificate.js";
import { direction, openPaired, pairKeys, readPaired, sealPaired, type PairedLetter, type PairKeys } from "../../protocol/wire/paired.js";
import { encodeSigned, keyId, objectToSign } from "../../protocol/wire/signed.js";
import { decodeSettled, decodeStatementAsk, encodeShownStatement, encodeStatement, mode, type PlanUser } from "../../protocol/wire/statement.js";
import { ocmfOf } from "./ocmf.js";
import { ownCertificates } from "../setup.js";

const none = new Uint8Array(0);
/** Agreement keys that a letter may be for, as in `sync.ts`. */
const openers = ["agreement", "agreement-next", "agreement-old"];
/** A statement for the host is cut so that one courier carries many. */
const statementBytesMax = 24000;

// ---- for the host -----------------------------------------------------------------------------------------------------------------------

/** Sealed statements for the host: of each user with records that it has not confirmed, or who may have paid. Without a plan, one that asks for it. */
export function lettersToHost(c: Charges): Uint8Array[] {
  const letters: Uint8Array[] = [];
  const users = c.plan === undefined ? [] : c.plan.users;
  for (const u of users) {
    const s = streamOf(c.history, u.user);
    if (s.stated + 1 < s.next || s.total > s.paid || u.mode === mode.prepaid) add(letters, toHost(c, u.user));
  }
  if (users.length === 0) add(letters, toHost(c, new Uint8Array(8)));
  return letters;
}
function add(letters: Uint8Array[], letter: Uint8Array | undefined): void {
  if (letter !== undefined && letters.length < limits.carriedLettersMax) letters.push(letter);
}

/**
 * One user's, whatever there is: what is not confirmed, or nothing, which asks what became of it. As of its last reading, so
 * that while nothing is new every courier has the same letter. Undefined while a key is missing.
 */
function toHost(c: Charges, user: Uint8Array): Uint8Array | undefined {
  const host = newestOf(c.setup.trust, "envelope");
  const certificate = c.setup.certificate;
  if (host === undefined || certificate === undefined) return undefined;
  const s = streamOf(c.history, user);
  const claims = claimsFrom(c, s, s.stated + 1, { at: s.readAt, quality: s.readQuality });
  const id = certificateId(c.board.crypto, certificate.signed.claims);
  const before = c.sealed[hex(user)];
  if (before !== undefined && equal(before.claims, claims) && equal(before.name, id)) return before.letter;
  const statement = signedStatement(c, claims);
  const shared = c.board.keys.agree("agreement", host.publicKey);
  if (statement === undefined || shared === undefined) return undefined;
  const letter = sealPaired(c.board.crypto, pairKeys(c.board.crypto, shared, id, host.kid, direction.toHost), id, statement);
  c.sealed[hex(user)] = { name: id, claims: claims, letter: letter };
  return letter;
}

/** A statement of the records from this number on. */
function claimsFrom(c: Charges, s: Stream, from: number, time: Time): Uint8Array {
  const part = recordsFrom(c.history, s, from, limits.statementRecordsMax, statementBytesMax);
  return encodeStatement({
    terminal: c.setup.terminalId, user: s.user, first: part.first, records: part.records, number: s.number, through: s.through, paid: s.paid,
    plan: c.plan === undefined ? 0 : c.plan.number, at: time.at, quality: time.quality,
  });
}

/** Undefined without a key. */
function signedStatement(c: Charges, claims: Uint8Array): Uint8Array | undefined {
  const own = c.board.keys.publicKey("signing");
  const kid = own === undefined ? none : keyId(c.board.crypto, own);
  const signature = own === undefined ? undefined : c.board.keys.sign("signing", objectToSign("statement", kid, claims));
  return signature === undefined ? undefined : encodeSigned("statement", kid, claims, signature, false);
}

// ---- what is brought -------------------------------------------------------------------------------------------------------------------------

/** `mine`: it was for this terminal, and an answer may be waiting. `unwanted`: not sealed for it, or by nobody it knows. */
export interface Taken { mine: boolean; answer: Uint8Array }
const unwanted: Taken = { mine: false, answer: none };

/** A paired letter that somebody brought: from the host, or from the handset of a user of the plan. */
export function takePaired(c: Charges, bytes: Uint8Array, time: Time): Taken {
  const letter = readPaired(bytes);
  if (letter === undefined) return unwanted;
  for (const own of ownCertificates(c.setup)) {
    if (equal(certificateId(c.board.crypto, own.claims), letter.name)) return fromHost(c, letter, decodeTerminalCertificate(own.claims)!, time);
  }
  for (const u of c.plan === undefined ? [] : c.plan.users) {
    for (const h of u.handsets) if (equal(keyId(c.board.crypto, h.signingKey), letter.name)) return fromUser(c, letter, u, h.agreementKey, time);
  }
  return unwanted;
}

/** Our private key behind a certificate, agreed with a public key. */
function agreeAs(c: Charges, certificate: TerminalCertificate, publicKey: Uint8Array): Uint8Array | undefined {
  for (const name of openers) {
    const own = c.board.keys.publicKey(name);
    if (own !== undefined && equal(own.subarray(1), certificate.agreementKey.subarray(1))) return c.board.keys.agree(name, publicKey);
  }
  return undefined;
}

function fromHost(c: Charges, letter: PairedLetter, certificate: TerminalCertificate, time: Time): Taken {
  for (const host of c.setup.trust.roles) {
    if (host.certificate.role !== "envelope") continue;
    const shared = agreeAs(c, certificate, host.certificate.publicKey);
    const text = shared === undefined ? undefined : openPaired(c.board.crypto, pairKeys(c.board.crypto, shared, letter.name, host.kid, direction.fromHost), letter);
    const said = text === undefined ? undefined : decodeSettled(text);
    if (said === undefined) continue;
    if (said.plan.length > 0) takePlan(c, said.plan);
    for (const result of said.results) takeResult(c, result, time);
    return { mine: true, answer: none };
  }
  return unwanted;
}

/** Only whoever holds a key that the plan names for this user is answered, and only he can read the answer (U2). */
function fromUser(c: Charges, letter: PairedLetter, u: PlanUser, agreementKey: Uint8Array, time: Time): Taken {
  const certificate = c.setup.certificate;
  const shared = c.board.keys.agree("agreement", agreementKey);
  if (certificate === undefined || shared === undefined) return unwanted;
  const id = certificateId(c.board.crypto, certificate.signed.claims);
  const text = openPaired(c.board.crypto, keysWith(c, shared, id, letter.name, direction.fromUser), letter);
  const ask = text === undefined ? undefined : decodeStatementAsk(text);
  if (ask === undefined) return unwanted;
  refreshFor(c, u.user);
  const statement = signedStatement(c, claimsFrom(c, streamOf(c.history, u.user), ask.from, time));
  if (statement === undefined) return { mine: true, answer: none };
  const ocmf = ask.ocmf ? ocmfOf(c, statement) : "";
  const shown = encodeShownStatement({ statement: statement, certificates: ownCertificates(c.setup).map((x) => x.bytes), ocmf: ocmf });
  return { mine: true, answer: sealPaired(c.board.crypto, keysWith(c, shared, id, letter.name, direction.toUser), id, shown) };
}
function keysWith(c: Charges, shared: Uint8Array, terminal: Uint8Array, other: Uint8Array, way: number): PairKeys {
  return pairKeys(c.board.crypto, shared, terminal, other, way);
}

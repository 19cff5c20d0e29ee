/**
 * Checking a statement without its terminal and without the host (U1): whose signatures stand on it, whether its records follow
 * each other, what was charged for what, and what was paid. Whoever checks needs the provider's certificates key alone.
 */
import type { Crypto } from "../../protocol/crypto/crypto.js";
import type { ProviderKey } from "../../protocol/session/book.js";
import { equal } from "../../protocol/wire/bytes.js";
import { decodeTerminalCertificate, terminalToSign, type TerminalCertificate } from "../../protocol/wire/certificate.js";
import { chargeDigest, decodeCharge, type ChargeRecord } from "../../protocol/wire/charge.js";
import { keyId, openSigned, type SignerKey } from "../../protocol/wire/signed.js";
import { decodeShownStatement, decodeStatement, type Statement } from "../../protocol/wire/statement.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";

/** `wrong`: why this record is not believed; empty when it is. `amount`: minor units that it added, undefined for a first one in the middle. */
export interface CheckedRecord { sequence: number; record: ChargeRecord | undefined; amount: number | undefined; wrong: string }

export interface CheckedStatement {
  terminal: TerminalCertificate;
  statement: Statement;
  records: CheckedRecord[];
  /** Everything holds: certificates, signatures, chain. */
  genuine: boolean;
  /** Charged in all, through the last record; what the terminal knows to be paid; the difference is owed. */
  total: number;
  paid: number;
}

/** Undefined for what is no statement, or is signed by no terminal that these keys certified. */
export function checkStatement(crypto: Crypto, certificateKeys: readonly ProviderKey[], bytes: Uint8Array): CheckedStatement | undefined {
  const shown = decodeShownStatement(bytes);
  if (shown === undefined) return undefined;
  const certified = certificatesIn(crypto, certificateKeys, shown.certificates);
  const signers: SignerKey[] = certified.map((c) => ({ kid: keyId(crypto, c.signingKey), publicKey: c.signingKey }));
  const claims = openSigned(crypto, shown.statement, "statement", signers);
  const statement = claims === undefined ? undefined : decodeStatement(claims);
  const terminal = certified[certified.length - 1];
  if (statement === undefined || terminal === undefined || !certified.every((c) => equal(c.terminalId, statement.terminal))) return undefined;
  const records = checkRecords(crypto, signers, statement);
  const last = records.length === 0 ? undefined : records[records.length - 1]!.record;
  return {
    terminal: terminal, statement: statement, records: records, genuine: records.every((r) => r.wrong === ""), total: last === undefined ? statement.paid : last.total, paid: statement.paid,
  };
}

function certificatesIn(crypto: Crypto, keys: readonly ProviderKey[], list: readonly Uint8Array[]): TerminalCertificate[] {
  const found: TerminalCertificate[] = [];
  for (const bytes of list) {
    const signed = decodeSignedClaims(bytes);
    const genuine = signed !== undefined && keys.some((key) => equal(key.kid, signed.kid) && crypto.verify(key.publicKey, terminalToSign(signed.kid, signed.claims), signed.signature));
    const decoded = signed === undefined || !genuine ? undefined : decodeTerminalCertificate(signed.claims);
    if (decoded !== undefined) found.push(decoded);
  }
  return found;
}

/** Each record under its own signature, its number and user, and the digest of the one before. */
function checkRecords(crypto: Crypto, signers: readonly SignerKey[], s: Statement): CheckedRecord[] {
  const checked: CheckedRecord[] = [];
  let before: ChargeRecord | undefined;
  for (let i = 0; i < s.records.length; i++) {
    const sequence = s.first + i;
    const claims = openSigned(crypto, s.records[i]!, "record", signers);
    const record = claims === undefined ? undefined : decodeCharge(claims);
    const wrong = record === undefined ? "not signed by this terminal" : wrongIn(crypto, s, record, sequence, i === 0 ? undefined : s.records[i - 1]!, before);
    const first = sequence === 1 ? 0 : before === undefined ? undefined : before.total;
    checked.push({ sequence: sequence, record: record, amount: record === undefined || first === undefined ? undefined : record.total - first, wrong: wrong });
    before = record;
  }
  return checked;
}
function wrongIn(crypto: Crypto, s: Statement, x: ChargeRecord, sequence: number, previous: Uint8Array | undefined, before: ChargeRecord | undefined): string {
  if (!equal(x.user, s.user)) return "of another user";
  if (x.sequence !== sequence) return "a record is missing before it";
  if (previous !== undefined && !equal(x.previous, chargeDigest(crypto, previous))) return "does not follow the record before";
  return before !== undefined && x.total < before.total ? "charges less than before" : "";
}

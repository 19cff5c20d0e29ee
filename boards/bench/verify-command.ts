/** `kaisatsu verify`: what a meter's statement says, and whether it is true, with nothing but the file and the provider's keys. */
import { readFileSync } from "node:fs";
import { amountText } from "./amount.js";
import { exitCode, textOf, UsageError, type Command, type Context } from "./command.js";
import { minute, table, withPhoneIn } from "./handset/handset.js";
import { checkStatement, type CheckedRecord, type CheckedStatement } from "../../runtime/charges/verify.js";
import { makeTrust, providerKeys, takeObject, type Trust } from "../../runtime/sync/trust.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { hex } from "../../protocol/wire/bytes.js";
import type { MeterRegister } from "../../protocol/wire/charge.js";
import { unitOf } from "../../protocol/metering/reading.js";
import { keyId } from "../../protocol/wire/signed.js";
import { decodeShownStatement } from "../../protocol/wire/statement.js";

export const verifyCommand: Command = {
  name: "verify",
  summary: "check a meter's statement: readings, gaps, signatures, what was paid",
  help: `Usage: kaisatsu verify STATEMENT (--folder F | --provider FILE) [--ocmf] [--json]

STATEMENT is a file that "kaisatsu handset owed" kept. It is checked on this machine alone, without network or host: that
the provider certified the terminal, that the terminal signed the statement and each record, that no record is missing,
exchanged or changed, and how the total came about. Compare the readings with the display of the meter.

  --folder F       a handset: its provider's keys are used
  --provider FILE  what the host shows at /provider, kept as a file
  --ocmf           only the readings as signed OCMF, for other tools; asked for with "handset owed --ocmf"
  --json           one JSON document

Exit code 1 when anything in it is not genuine.

Examples:
  kaisatsu verify statement.cbor --folder aiko
  kaisatsu verify statement.cbor --provider provider.json --json
`,
  options: { folder: { type: "string" }, provider: { type: "string" }, ocmf: { type: "boolean" } },
  run(c) {
    if (c.words.length !== 1) throw new UsageError("Give the file of one statement.");
    const bytes = read(c.words[0]!);
    const trust = trustOf(c);
    const checked = checkStatement(crypto, providerKeys(trust, "certificates"), bytes);
    if (checked === undefined) { c.err(`kaisatsu verify: ${c.words[0]} is no statement of a terminal that ${trust.provider} certified.`); return Promise.resolve(exitCode.refused); }
    const ocmf = decodeShownStatement(bytes)!.ocmf;
    if (c.options["ocmf"] === true) {
      if (ocmf === "") { c.err("kaisatsu verify: this statement has no OCMF in it: ask the terminal for it with \"kaisatsu handset owed --ocmf\"."); return Promise.resolve(exitCode.refused); }
      c.out(ocmf);
    } else if (c.json) c.out(JSON.stringify(documentOf(trust, checked, ocmf)));
    else for (const line of printed(c, trust, checked)) c.out(line);
    return Promise.resolve(checked.genuine ? exitCode.done : exitCode.refused);
  },
};

function read(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch {
    throw new UsageError(`${path} cannot be read.`);
  }
}

/** Whom to believe: the handset's provider, or one read from a file. */
function trustOf(c: Context): Trust {
  const [folder, file] = [textOf(c, "folder"), textOf(c, "provider")];
  if ((folder === undefined) === (file === undefined)) throw new UsageError("Give --folder or --provider: whose word counts must be known.");
  if (folder !== undefined) return withPhoneIn(folder, (phone) => phone.trust);
  try {
    const page = JSON.parse(Buffer.from(read(file!)).toString("utf8")) as { provider: string; root: string; spareRoot: string; roles: string[] };
    const trust = makeTrust(crypto, page.provider, new Uint8Array(Buffer.from(page.root, "hex")), new Uint8Array(Buffer.from(page.spareRoot, "hex")));
    for (const role of page.roles) takeObject(trust, new Uint8Array(Buffer.from(role, "base64")));
    return trust;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} is not what a host shows at /provider.`);
  }
}

/** `1.8.0 1025.007 kWh`, with the digits that the meter sent. */
export function registerText(r: MeterRegister): string {
  const energy = r.unit === 30;
  const power = energy ? r.scaler - 3 : r.scaler;
  const digits = power < 0 ? String(r.value).padStart(1 - power, "0") : String(r.value) + "0".repeat(r.value === 0 ? 0 : power);
  const value = power < 0 ? `${digits.slice(0, power)}.${digits.slice(power)}` : digits;
  return `${r.obis[2]}.${r.obis[3]}.${r.obis[4]} ${value} ${energy ? "kWh" : unitOf(r.unit)}`;
}

/** What one record says, in a line. */
export function recordText({ record: x }: CheckedRecord): string {
  if (x === undefined) return "unreadable";
  switch (x.what) {
    case "fitted": return `meter ${x.serial}: ${x.closing.length === 0 ? "" : `old one ended at ${x.closing.map(registerText).join(", ")}, `}begins at ${x.opening.map(registerText).join(", ")}`;
    case "reading": return `${x.registers.map(registerText).join(", ")} (${["", "sum rule", "read twice", "pulses"][x.by]})`;
    case "service": return x.name;
    case "paid": return `paid ${x.paid} in all, settled through record ${x.through}`;
    case "tamper": return `SIGN OF TAMPERING: ${x.sign}`;
  }
}

const quality = ["time unknown", "time counted on", "", ""];

function printed(c: Context, trust: Trust, s: CheckedStatement): string[] {
  const money = (minor: number): string => amountText(minor, s.terminal.currency);
  const rows = s.records.map((r) => [
    String(r.sequence), r.record === undefined ? "" : `${minute(r.record.at)} ${quality[r.record.quality]!}`.trim(), r.amount === undefined ? "" : money(r.amount), r.wrong === "" ? "ok" : r.wrong.toUpperCase(), paidText(r, money),
  ]);
  const owed = s.total - s.paid;
  return [
    `${s.terminal.merchant}, ${s.terminal.name} (terminal ${hex(s.terminal.terminalId)}), for user ${hex(s.statement.user)}`,
    `certified by ${trust.provider} (root ${hex(keyId(crypto, trust.root))})`, "",
    ...table(c, ["RECORD", "TIME", "CHARGED", "CHECK", "WHAT"], rows), "",
    `charged ${money(s.total)}, paid ${money(s.paid)}: ${owed > 0 ? `${money(owed)} owed` : owed < 0 ? `${money(-owed)} left` : "nothing owed"}`,
    s.genuine ? c.paint("green", `genuine: ${s.records.length} records, none missing, all signed by this terminal`) : c.paint("red", "NOT GENUINE: see CHECK"),
    ...(s.records.length > 0 && s.statement.first > 1 ? [`It begins with record ${s.statement.first}: ask for earlier ones to see them.`] : []),
  ];
}
const paidText = (r: CheckedRecord, money: (minor: number) => string): string => (r.record?.what === "paid" ? `paid ${money(r.record.paid)} in all, settled through record ${r.record.through}` : recordText(r));

function documentOf(trust: Trust, s: CheckedStatement, ocmf: string): unknown {
  return {
    genuine: s.genuine, provider: trust.provider, root: hex(keyId(crypto, trust.root)), merchant: s.terminal.merchant, terminal: hex(s.terminal.terminalId), name: s.terminal.name, user: hex(s.statement.user),
    currency: s.terminal.currency, charged: s.total, paid: s.paid, owed: s.total - s.paid, settledThrough: s.statement.through, first: s.statement.first, ocmf: ocmf === "" ? null : ocmf,
    records: s.records.map((r) => ({ sequence: r.sequence, check: r.wrong === "" ? "ok" : r.wrong, what: r.record?.what ?? null, at: r.record?.at ?? null, quality: r.record?.quality ?? null, charged: r.amount ?? null, text: recordText(r) })),
  };
}

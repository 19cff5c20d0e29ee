/**
 * Signed readings in the Open Charge Metering Format 1.4 (SAFE e.V.), for tools that read nothing else: one data set from the
 * first reading of a statement to the last, signed by the terminal with the key of its certificate. OCMF's signature covers its
 * own text, so it cannot be made of our records' signatures: the terminal makes it when it is asked.
 */
import type { Charges } from "./charges.js";
import { civil } from "../../protocol/metering/tariff.js";
import { hex, utf8 } from "../../protocol/wire/bytes.js";
import { decodeCharge, type MeterRegister } from "../../protocol/wire/charge.js";
import { decodeSigned } from "../../protocol/wire/signed.js";
import { decodeStatement } from "../../protocol/wire/statement.js";

interface Point { registers: MeterRegister[]; at: number; quality: number; sequence: number }

/** `OCMF|payload|signature`, or an empty text where the statement has no two readings of one meter. */
export function ocmfOf(c: Charges, statement: Uint8Array): string {
  const object = decodeSigned(statement);
  const s = object === undefined ? undefined : decodeStatement(object.claims);
  if (s === undefined) return "";
  let first: Point | undefined;
  let last: Point | undefined;
  let serial = "";
  for (const bytes of s.records) {
    const signed = decodeSigned(bytes);
    const x = signed === undefined ? undefined : decodeCharge(signed.claims);
    if (x === undefined || (x.what !== "reading" && x.what !== "fitted")) continue;
    const point = { registers: x.what === "reading" ? x.registers : x.opening, at: x.at, quality: x.quality, sequence: x.sequence };
    // Another meter: what it measured stands in a data set of its own, of another statement.
    if (x.what === "fitted") { serial = x.serial; first = undefined; last = undefined; }
    if (first === undefined) first = point; else last = point;
  }
  if (first === undefined || last === undefined) return "";
  const payload = payloadOf(hex(s.terminal), hex(s.user), serial, first, last);
  const signature = c.board.keys.sign("signing", utf8(payload));
  return signature === undefined ? "" : "OCMF|" + payload + "|" + "{\"SA\":\"ECDSA-secp256r1-SHA256\",\"SD\":\"" + hex(der(signature)) + "\"}";
}

function payloadOf(terminal: string, user: string, serial: string, first: Point, last: Point): string {
  const head = "{\"FV\":\"1.4\",\"GI\":\"Kaisatsu\",\"GS\":" + quoted(terminal) + ",\"PG\":\"T" + last.sequence + "\",\"MS\":" + quoted(serial)
    + ",\"IS\":true,\"IL\":\"TRUSTED\",\"IF\":[],\"IT\":\"LOCAL\",\"ID\":" + quoted(user);
  return head + ",\"RD\":[" + first.registers.map((r) => reading(r, first, "B")).concat(last.registers.map((r) => reading(r, last, "E"))).join(",") + "]}";
}

function reading(r: MeterRegister, p: Point, tx: string): string {
  const o = r.obis;
  const energy = r.unit === 30;
  const obis = o[0] + "-" + o[1] + ":" + o[2] + "." + o[3] + "." + o[4] + "*" + o[5];
  return "{\"TM\":" + quoted(timeText(p.at, p.quality)) + ",\"TX\":\"" + tx + "\",\"RV\":" + decimal(r.value, energy ? r.scaler - 3 : r.scaler) + ",\"RI\":\"" + obis + "\",\"RU\":\"" + (energy ? "kWh" : "m3") + "\",\"ST\":\"G\"}";
}

/** Quality 3 is synchronised, 2 informative, 1 counted on, 0 unknown. */
function timeText(at: number, quality: number): string {
  const d = civil(Math.floor(at / 86400));
  const s = at % 86400;
  return d.year + "-" + two(d.month + 1) + "-" + two(d.date) + "T" + two(Math.floor(s / 3600)) + ":" + two(Math.floor((s % 3600) / 60)) + ":" + two(s % 60) + ",000+0000 " + (quality === 3 ? "S" : quality === 2 ? "I" : quality === 1 ? "R" : "U");
}
function two(n: number): string {
  return n < 10 ? "0" + n : "" + n;
}

/** Value × 10^power with the digits as they are: a floating point number would lose how many there were. */
function decimal(value: number, power: number): string {
  let digits = "" + value;
  if (power >= 0) { for (let i = 0; i < power && value !== 0; i++) digits += "0"; return digits; }
  while (digits.length <= -power) digits = "0" + digits;
  return digits.substring(0, digits.length + power) + "." + digits.substring(digits.length + power);
}

/** A JSON text; what a meter may call itself is printable, quotes and backslashes apart. */
function quoted(text: string): string {
  let out = "\"";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    out += code === 34 || code === 92 ? "\\" + text[i]! : code < 32 ? " " : text[i]!;
  }
  return out + "\"";
}

/** r‖s as an ASN.1 SEQUENCE of two INTEGERs. */
function der(signature: Uint8Array): Uint8Array {
  const r = integer(signature.subarray(0, 32));
  const s = integer(signature.subarray(32));
  const out = new Uint8Array(2 + r.length + s.length);
  out[0] = 0x30; out[1] = r.length + s.length;
  out.set(r, 2); out.set(s, 2 + r.length);
  return out;
}
function integer(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < 31 && bytes[from] === 0) from++;
  const sign = bytes[from]! > 127 ? 1 : 0;
  const out = new Uint8Array(2 + sign + 32 - from);
  out[0] = 2; out[1] = sign + 32 - from;
  out.set(bytes.subarray(from), 2 + sign);
  return out;
}

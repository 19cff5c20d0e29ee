/**
 * Meters of our own making, byte by byte, for what recordings showed that may not be passed on: a two-tariff readout with
 * parity, SML frames with every oddity, P1 with its CRC. Each builder takes only what a test wants to be different.
 */
import { blockCheck, withParity } from "../../protocol/metering/iec.js";
import { crc16, crc16Kermit, fcs16 } from "../../protocol/link/crc16.js";

export const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
export const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
export const hexadecimal = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"));

/** A household meter with two tariffs each way; totals are the sums. */
export const household = {
  head: "/KAI4ZMA-100.K01\r\n",
  lines: [
    "F.F(00)", "0.0(          420017)", "C.1.0(90417301)", "C.1.1(        )", "1.8.1(031207.446*kWh)", "1.8.2(012961.083*kWh)", "2.8.1(000214.770*kWh)", "2.8.2(000009.004*kWh)",
    "1.8.0(044168.529*kWh)", "2.8.0(000223.774*kWh)", "15.8.0(044392.303*kWh)", "C.7.0(0011)", "32.7(231*V)", "52.7(229*V)", "72.7(233*V)", "31.7(001.35*A)", "82.8.1(0000)", "0.2.0(K01)", "C.5.0(0401)",
  ],
};

export interface IecParts { head?: string; lines?: readonly string[]; parity?: boolean; bcc?: number; before?: string; end?: string }

/** Identification and data message. `parity` puts even parity into bit 7, as a port of 8N1 sees 7E1. */
export function iecTelegram(o: IecParts = {}): Uint8Array {
  const body = (o.lines ?? household.lines).map((line) => line + "\r\n").join("") + (o.end ?? "!\r\n") + "\x03";
  const bytes = ascii(`${o.before ?? ""}${o.head ?? household.head}\x02${body} `);
  const stx = bytes.indexOf(2, (o.before ?? "").length);
  bytes[bytes.length - 1] = o.bcc ?? blockCheck(bytes, stx + 1, bytes.length - 1);
  return o.parity === false ? bytes : bytes.map(withParity);
}

/** A line that makes the block check come out as wanted: identifiers may be any character. */
export function iecWithCheck(wanted: number): Uint8Array {
  for (let code = 33; code < 127; code++) {
    for (let other = 33; other < 127; other++) {
      if ([40, 41, 33, 47].includes(code) || [40, 41, 33, 47].includes(other)) continue;
      const telegram = iecTelegram({ lines: [...household.lines, `C.9.9(${String.fromCharCode(code, other)})`] });
      if ((telegram.at(-1)! & 0x7f) === wanted) return telegram;
    }
  }
  throw new Error(`No line makes the check ${wanted}.`);
}

/** A P1 telegram with its CRC, or with what is given instead. */
export function p1Telegram(lines: readonly string[], o: { head?: string; crc?: string; lineEnd?: string } = {}): Uint8Array {
  const end = o.lineEnd ?? "\r\n";
  const text = ascii(`${o.head ?? "/KAI5KAISATSU-METER"}${end}${end}${lines.map((line) => line + end).join("")}!`);
  return joined(text, ascii((o.crc ?? crc16(text).toString(16).toUpperCase().padStart(4, "0")) + end));
}
export const p1Lines = [
  "1-3:0.2.8(50)", "0-0:1.0.0(250301120000W)", "0-0:96.1.1(4B41493030303031)", "1-0:1.8.0(002375.612*kWh)", "1-0:1.8.1(002130.115*kWh)", "1-0:1.8.2(000245.497*kWh)", "0-0:96.14.0(0001)", "1-0:1.7.0(00.111*kW)",
];

type Sml = Uint8Array;
/** An SML item: octets, or a list. */
const octets = (bytes: Uint8Array): Sml => (bytes.length < 15 ? joined(Uint8Array.of(bytes.length + 1), bytes) : joined(Uint8Array.of(0x80 | ((bytes.length + 2) >> 4), (bytes.length + 2) & 15), bytes));
const list = (...items: Sml[]): Sml => joined(Uint8Array.of(0x70 | items.length), ...items);
const none = Uint8Array.of(1);
const unsigned = (value: number, bytes: number): Sml => {
  const out = new Uint8Array(bytes + 1);
  out[0] = 0x60 | (bytes + 1);
  for (let i = bytes, left = value; i > 0; i--, left = Math.floor(left / 256)) out[i] = left % 256;
  return out;
};
const signed8 = (value: number): Sml => Uint8Array.of(0x52, value & 255);

export interface SmlEntry { obis: string; unit?: number; scaler?: number; value: number | Uint8Array; status?: number }
export interface SmlParts { serverId?: Uint8Array; crc?: "x25" | "kermit"; /** Kind of the messages' CRC where it is another. */ messageCrc?: "x25" | "kermit"; transaction?: number }

/** A frame as a meter pushes it: open, list, close. A leading zero of a message CRC is left out, as makers do. */
export function smlFrame(entries: readonly SmlEntry[], o: SmlParts = {}): Uint8Array {
  const kinds = { x25: fcs16, kermit: crc16Kermit };
  const of = kinds[o.messageCrc ?? o.crc ?? "x25"];
  const server = octets(o.serverId ?? hexadecimal("0a014b41490000010203"));
  let transaction = o.transaction ?? 1;
  const message = (choice: number, body: Sml): Sml => {
    const start = joined(Uint8Array.of(0x76), octets(Uint8Array.of(0, 0, 0, transaction++)), unsigned(0, 1), unsigned(0, 1), list(unsigned(choice, 2), body));
    const crc = of(start);
    const swapped = ((crc & 255) << 8) | (crc >> 8);
    return joined(start, swapped < 256 ? unsigned(swapped, 1) : unsigned(swapped, 2), Uint8Array.of(0));
  };
  const entry = (e: SmlEntry): Sml => list(
    octets(Uint8Array.from(e.obis.split(/[-:.*]/).map(Number))), e.status === undefined ? none : unsigned(e.status, 4), none, e.unit === undefined ? none : unsigned(e.unit, 1),
    e.scaler === undefined ? none : signed8(e.scaler), typeof e.value === "number" ? unsigned(e.value, 8) : octets(e.value), none,
  );
  const values = entries.map(entry);
  const valueList = joined(Uint8Array.of(...(values.length < 16 ? [0x70 | values.length] : [0xf0 | (values.length >> 4), values.length & 15])), ...values);
  const messages = joined(
    message(0x0101, list(none, none, octets(Uint8Array.of(1)), server, none, none)), message(0x0701, list(none, server, none, none, valueList, none, none)), message(0x0201, list(none)),
  );
  const escaped: number[] = [];
  let run = 0;
  for (const byte of messages) {
    escaped.push(byte);
    run = byte === 0x1b ? run + 1 : 0;
    if (run === 4) { escaped.push(0x1b, 0x1b, 0x1b, 0x1b); run = 0; }
  }
  const pad = (4 - (escaped.length % 4)) % 4;
  const frame = Uint8Array.from([0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1, ...escaped, ...new Uint8Array(pad), 0x1b, 0x1b, 0x1b, 0x1b, 0x1a, pad]);
  const crc = kinds[o.crc ?? "x25"](frame);
  return joined(frame, Uint8Array.of(crc & 255, crc >> 8));
}

export const smlHousehold: readonly SmlEntry[] = [
  { obis: "1-0:96.50.1*1", value: ascii("KAI") }, { obis: "1-0:1.8.0*255", unit: 30, scaler: -1, value: 1103403151, status: 0x1c0104 }, { obis: "1-0:1.8.1*255", unit: 30, scaler: -1, value: 1000000000 },
  { obis: "1-0:1.8.2*255", unit: 30, scaler: -1, value: 103403151 }, { obis: "1-0:16.7.0*255", unit: 27, scaler: 0, value: 376 },
];

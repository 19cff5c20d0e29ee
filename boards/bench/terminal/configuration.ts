/**
 * The configuration file of `kaisatsu terminal`: JSON, checked whole before anything is opened. Every problem is named in
 * plain words with its path, all of them at once.
 */
import { dirname, resolve } from "node:path";
import { readHostAddress } from "../command.js";
import type { Pins } from "../../node/firmata.js";
import type { Protocol } from "../../../protocol/metering/reading.js";
import { media } from "../../../protocol/link/media.js";
import { makeClaimCode, readClaimCode } from "../../../protocol/wire/claim.js";

export interface TerminalConfiguration {
  name: string;
  role: "gate" | "till" | "meter" | "receiver";
  host: string;
  /** Absolute; in the file it is meant from the file's own folder. */
  data: string;
  link: { port: string; baud: number; medium: keyof typeof media };
  scanner: { port: string; baud: number } | undefined;
  firmata: { port: string; pins: Pins } | undefined;
  /** What a meter reads: its port, the protocol where it only listens, and how often. */
  meter: { port: string; protocol: Protocol | undefined; everySeconds: number } | undefined;
  claim: string | undefined;
}

export const example = `{
  "name": "North",
  "role": "gate",
  "host": "http://127.0.0.1:8440",
  "data": "north",
  "link": { "port": "/dev/ttyUSB0", "baud": 115200, "medium": "serial" },
  "scanner": { "port": "/dev/ttyACM1", "baud": 9600 },
  "firmata": {
    "port": "/dev/ttyACM0",
    "pins": { "accept": 13, "refuse": 12, "amber": 11, "yellow": 10, "blue": 9, "buzzer": 8, "relay": 7, "passage": 2 }
  },
  "claim": "${makeClaimCode(new Uint8Array(19))}"
}
`;

/** Answers what is wrong with the item at `path`, or nothing. */
type Check = (item: unknown, path: string) => string[];
interface Field { check: Check; /** What it is for, said when it is missing; undefined: it may be left out. */ needed?: string }

const said = (item: unknown): string => {
  const text = JSON.stringify(item) ?? String(item);
  return text.length > 60 ? text.slice(0, 57) + "..." : text;
};
const text = (most: number): Check => (item, path) =>
  typeof item === "string" && item.trim() !== "" && item.length <= most ? [] : [`${path} must be a text of 1 to ${most} characters, not ${said(item)}.`];
const whole = (least: number, most: number): Check => (item, path) =>
  Number.isInteger(item) && (item as number) >= least && (item as number) <= most ? [] : [`${path} must be a whole number from ${least} to ${most}, not ${said(item)}.`];
const oneOf = (...words: string[]): Check => (item, path) =>
  words.includes(item as string) ? [] : [`${path} must be ${words.map((w) => `"${w}"`).join(" or ")}, not ${said(item)}.`];
const address: Check = (item, path) =>
  typeof item === "string" && readHostAddress(item) !== undefined ? [] : [`${path} must be the address of a host, such as "http://127.0.0.1:8440", not ${said(item)}.`];
const claimCode: Check = (item, path) =>
  typeof item === "string" && readClaimCode(item) !== undefined ? [] : [`${path} is no claim code: it has 20 letters and digits, and one of these is mistyped.`];

const fields = (shape: Record<string, Field>): Check => (item, path) => {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return [`${path === "" ? "The file" : path} must be an object { … }, not ${said(item)}.`];
  const at = (key: string): string => (path === "" ? key : `${path}.${key}`);
  const unknown = Object.keys(item).filter((key) => !Object.hasOwn(shape, key)).map((key) => `${at(key)} is not known here${suggested(key, Object.keys(shape))}`);
  const wrong = Object.entries(shape).flatMap(([key, field]) => {
    if (Object.hasOwn(item, key)) return field.check((item as Record<string, unknown>)[key], at(key));
    return field.needed === undefined ? [] : [`${at(key)} is missing: ${field.needed}.`];
  });
  return [...unknown, ...wrong];
};

/** The known key that an unknown one was probably meant to be. */
function suggested(key: string, known: readonly string[]): string {
  const letters = (word: string): string => [...word.toLowerCase()].sort().join("");
  const near = known.find((k) => k.toLowerCase() === key.toLowerCase() || letters(k) === letters(key) || (key.length > 2 && (k.startsWith(key) || key.startsWith(k))));
  return near === undefined ? `; known are ${known.join(", ")}.` : `; did you mean ${near}?`;
}

const pin = whole(0, 127);
const baud = whole(50, 4_000_000);
const lights: Check = fields({
  accept: { check: pin, needed: "the pin of the green light" }, refuse: { check: pin, needed: "the pin of the red light" }, amber: { check: pin }, yellow: { check: pin }, blue: { check: pin },
  buzzer: { check: pin }, relay: { check: pin, needed: "the pin that opens the gate" }, passage: { check: pin },
});
/** Two parts on one pin would light each other; only lights without a pin of their own share. */
const pins: Check = (item, path) => {
  const wrong = lights(item, path);
  if (wrong.length > 0) return wrong;
  const taken = new Map<number, string>();
  return Object.entries(item as Record<string, number>).flatMap(([name, number]) => {
    const other = taken.get(number);
    taken.set(number, name);
    return other === undefined ? [] : [`${path}.${name} and ${path}.${other} are both pin ${number}.`];
  });
};

const shape = fields({
  name: { check: text(60), needed: "what this terminal is called on its own screen and in its lines" },
  role: { check: oneOf("gate", "till", "meter", "receiver"), needed: 'what it is: "gate", "till", "meter" or "receiver"' },
  host: { check: address, needed: "the address of the host that enrolled it, such as \"http://127.0.0.1:8440\"" },
  data: { check: text(1000), needed: "the folder for its journal and keys" },
  link: {
    check: fields({ port: { check: text(1000), needed: "the serial port that handsets talk over, such as /dev/ttyUSB0" }, baud: { check: baud, needed: "its speed, such as 115200" }, medium: { check: oneOf(...Object.keys(media)) } }),
    needed: "the line to handsets: { \"port\": …, \"baud\": … }",
  },
  scanner: { check: fields({ port: { check: text(1000), needed: "the serial port of the optical scanner" }, baud: { check: baud, needed: "its speed, such as 9600" } }) },
  firmata: { check: fields({ port: { check: text(1000), needed: "the serial port of the Firmata board" }, pins: { check: pins, needed: "{ \"accept\": …, \"refuse\": …, \"relay\": … }" } }) },
  meter: { check: fields({ port: { check: text(1000), needed: "the serial port of the meter, its optical head or P1" }, protocol: { check: oneOf("iec62056-21", "dsmr-p1", "sml", "mbus", "dlms") }, everySeconds: { check: whole(10, 86_400) } }) },
  claim: { check: claimCode },
});

/** One port serves one device. */
function portsTwice(x: TerminalConfiguration): string[] {
  const ports = [["link.port", x.link.port], ["scanner.port", x.scanner?.port], ["firmata.port", x.firmata?.port], ["meter.port", x.meter?.port]] as const;
  return ports.flatMap(([name, port], i) => ports.slice(0, i).filter(([, other]) => port !== undefined && other === port).map(([other]) => `${name} and ${other} are both ${port}: each device has a port of its own.`));
}

/** Longer than any configuration: a stranger's file is not even read as JSON. */
export const charactersMax = 65_536;

/** The configuration in this text, which stands in the file `path`; or all that is wrong with it. */
export function readConfiguration(source: string, path: string): TerminalConfiguration | { problems: string[] } {
  let parsed: unknown;
  if (source.length > charactersMax) return { problems: ["It is too long to be a configuration."] };
  try {
    parsed = JSON.parse(source.replace(/^\uFEFF/, ""));
  } catch (error) {
    return { problems: [`It is not JSON: ${(error as Error).message.replace(/[^\x20-\x7e]/g, "?").slice(0, 120)}.`] };
  }
  const problems = shape(parsed, "");
  if (problems.length === 0) problems.push(...portsTwice(parsed as TerminalConfiguration));
  if (problems.length > 0) return { problems };
  const x = parsed as TerminalConfiguration & { link: { medium?: keyof typeof media }; meter?: { protocol?: Protocol; everySeconds?: number } };
  return {
    name: x.name, role: x.role, host: readHostAddress(x.host)!, data: resolve(dirname(path), x.data), link: { ...x.link, medium: x.link.medium ?? "serial" },
    scanner: x.scanner, firmata: x.firmata, meter: x.meter === undefined ? undefined : { port: x.meter.port, protocol: x.meter.protocol, everySeconds: x.meter.everySeconds ?? 900 }, claim: x.claim,
  };
}

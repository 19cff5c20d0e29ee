/**
 * Attendee lists become issued values (P1): JSON, CSV, or the CSV of a pretix order export. All or nothing: if one line is
 * wrong, nothing is issued, and each wrong line is named in plain words. The same list again issues nothing twice.
 */
import { Wrong, type Context } from "./context.js";
import { transact } from "./database.js";
import { issueOne } from "./products.js";

export type ImportFormat = "json" | "csv" | "pretix";
/** One attendee. `user` is the member id that will collect the value; without one it is the e-mail address. */
export interface Attendee { line: number; reference: string; name: string; user: string; product: string }
export interface Imported { issued: number; already: number; values: { reference: string; user: string; valueId: string; invitation?: string }[] }

const bytesMax = 16 * 1024 * 1024;
const linesMax = 100_000;

/** Issues a value for each attendee. `products` names the product for a pretix item where the names differ. */
export async function importList(c: Context, format: ImportFormat, text: string, products: Record<string, string> = {}): Promise<Imported> {
  const attendees = readList(format, text, products);
  await checkProducts(c, attendees);
  return await transact(c.db, async (tx) => {
    const values: Imported["values"] = [];
    let issued = 0;
    for (const a of attendees) {
      const { isNew, ...made } = await issueOne(c, tx, { product: a.product, user: a.user, reference: a.reference, name: a.name, paid: "sold" });
      if (isNew) issued++;
      values.push({ reference: a.reference, user: a.user, ...made });
    }
    return { issued, already: attendees.length - issued, values };
  });
}

/** Reads a list without issuing anything. Throws `Wrong` with every line that is wrong, at most twenty. */
export function readList(format: ImportFormat, text: string, products: Record<string, string> = {}): Attendee[] {
  if (text.length > bytesMax) throw new Wrong("list_too_long", `The list has more than ${bytesMax / 1024 / 1024} MiB: import it in parts.`, 413);
  const rows = format === "json" ? readJson(text) : readCsv(text);
  if (rows.length > linesMax) throw new Wrong("list_too_long", `The list has more than ${linesMax} lines: import it in parts.`, 413);
  const found = rows.map((row) => (format === "pretix" ? pretixAttendee(row, products) : plainAttendee(row, products)));
  const wrong = found.flatMap((x) => ("wrong" in x ? [x.wrong] : []));
  const attendees = found.flatMap((x) => ("wrong" in x || x.skip ? [] : [x.attendee]));
  wrong.push(...repeated(attendees));
  if (wrong.length > 0) throw new Wrong("list_wrong", `Nothing was imported. ${wrong.slice(0, 20).join(" ")}${wrong.length > 20 ? ` And ${wrong.length - 20} more.` : ""}`);
  if (attendees.length === 0) throw new Wrong("list_empty", "The list names nobody: check that it has a header line and the columns reference, name, user, product.");
  return attendees;
}

interface Row { line: number; fields: Map<string, string> }
type Read = { wrong: string } | { attendee: Attendee; skip: boolean };

function readJson(text: string): Row[] {
  let parsed: unknown;
  try { parsed = JSON.parse(text); } catch (error) { throw new Wrong("not_json", `The list is not JSON: ${(error as Error).message}.`); }
  if (!Array.isArray(parsed)) throw new Wrong("not_a_list", "The list must be a JSON array of objects with reference, name, user and product.");
  return parsed.map((item: unknown, i) => ({
    line: i + 1, fields: new Map(Object.entries(typeof item === "object" && item !== null ? item : {}).map(([key, value]) => [key.toLowerCase(), String(value ?? "")])),
  }));
}

/** RFC 4180 with a header line; the separator is whichever of comma, semicolon and tab the header has most of. */
export function readCsv(text: string): Row[] {
  const body = text.replace(/^\uFEFF/, "");
  const header = body.slice(0, body.search(/\r?\n|$/));
  const separator = [",", ";", "\t"].sort((a, b) => header.split(b).length - header.split(a).length)[0]!;
  const lines = splitCsv(body, separator);
  const names = (lines.shift()?.cells ?? []).map((name) => name.trim().toLowerCase());
  return lines.filter((l) => l.cells.some((cell) => cell !== "")).map((l) => ({ line: l.line, fields: new Map(names.map((name, i) => [name, (l.cells[i] ?? "").trim()])) }));
}

function splitCsv(text: string, separator: string): { line: number; cells: string[] }[] {
  const lines: { line: number; cells: string[] }[] = [];
  let cells: string[] = [];
  let cell = "";
  let quoted = false;
  let line = 1;
  let begins = 1;
  const endCell = (): void => { cells.push(cell); cell = ""; };
  const endLine = (): void => { endCell(); lines.push({ line: begins, cells }); cells = []; begins = line; };
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === "\n") line++;
    if (quoted && character === '"' && text[i + 1] === '"') { cell += '"'; i++; }
    else if (character === '"' && (quoted || cell === "")) quoted = !quoted;
    else if (quoted) cell += character;
    else if (character === separator) endCell();
    else if (character === "\n") endLine();
    else if (character !== "\r") cell += character;
  }
  if (quoted) throw new Wrong("csv_quote", `Line ${begins} opens a quotation mark that is never closed.`);
  if (cell !== "" || cells.length > 0) endLine();
  return lines;
}

function plainAttendee(row: Row, products: Record<string, string>): Read {
  const get = (...names: string[]): string => names.map((n) => row.fields.get(n) ?? "").find((v) => v !== "") ?? "";
  return attendeeOf(row.line, get("reference", "id", "code"), get("name", "attendee"), get("user", "email", "e-mail"), get("product", "item"), products);
}

/** pretix' order data export: one line a position; cancelled and unpaid ones are left out. Column names in English or German. */
function pretixAttendee(row: Row, products: Record<string, string>): Read {
  const get = (...names: string[]): string => names.map((n) => row.fields.get(n) ?? "").find((v) => v !== "") ?? "";
  const order = get("order code", "bestellnummer", "code");
  const position = get("position id", "positionid", "position", "line number", "positionsnummer");
  const status = get("status", "order status", "bestellstatus").toLowerCase();
  const cancelled = ["canceled", "cancelled", "expired", "pending", "storniert", "abgelaufen", "ausstehend", "c", "e", "n"].includes(status);
  const read = attendeeOf(row.line, order === "" ? "" : `${order}-${position === "" ? "1" : position}`, get("attendee name", "teilnehmername", "name"),
    get("attendee email", "teilnehmer-e-mail", "email", "e-mail"), get("product", "produkt", "item"), products);
  return cancelled ? { attendee: "wrong" in read ? ({} as Attendee) : read.attendee, skip: true } : read;
}

function attendeeOf(line: number, reference: string, name: string, user: string, product: string, products: Record<string, string>): Read {
  if (reference === "") return { wrong: `Line ${line} has no reference (order code).` };
  if (user === "") return { wrong: `Line ${line} (${reference}) names no user and no e-mail address.` };
  if (product === "") return { wrong: `Line ${line} (${reference}) names no product.` };
  return { attendee: { line, reference, name: name === "" ? user : name, user: user.toLowerCase(), product: products[product] ?? product }, skip: false };
}

function repeated(attendees: readonly Attendee[]): string[] {
  const first = new Map<string, number>();
  return attendees.flatMap((a) => {
    const before = first.get(a.reference);
    first.set(a.reference, before ?? a.line);
    return before === undefined ? [] : [`Line ${a.line} repeats reference ${a.reference} of line ${before}.`];
  });
}

async function checkProducts(c: Context, attendees: readonly Attendee[]): Promise<void> {
  const known = new Set((await c.db.selectFrom("product").select("product_id").execute()).map((p) => p.product_id));
  const missing = attendees.filter((a) => !known.has(a.product));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((a) => a.product))].join(", ");
  throw new Wrong("product_unknown", `Nothing was imported. Line ${missing[0]!.line} names a product that this host has not: ${names}. Add it, or map it with "products".`, 404);
}

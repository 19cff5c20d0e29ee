/**
 * Attendee lists become issued values (P1): JSON, CSV, or the CSV of a pretix order export. All or nothing: if one line is
 * wrong, nothing is issued, and each wrong line is named in plain words. The same list again issues nothing twice.
 */
import { Wrong, type Context } from "./context.js";
import { transact } from "./database.js";
import { userIdOf } from "./people.js";
import { issueOne } from "./products.js";

export type ImportFormat = "json" | "csv" | "pretix";
/** One attendee. `user` is the member id that will collect the value; without one it is the e-mail address. */
export interface Attendee { line: number; reference: string; name: string; user: string; product: string }
export interface Imported { issued: number; already: number; values: { reference: string; user: string; valueId: string; invitation?: string }[] }

const bytesMax = 16 * 1024 * 1024;
const linesMax = 100_000;
const cellMost = 200;
/** So many are issued in one transaction, so that terminals get their turn between two. */
const atOnce = 200;

/**
 * Issues a value for each attendee, after all lines were checked, some hundred at a time. Should the host stop in between,
 * the same list again issues the rest. `products` names the product for a pretix item, or item and variation "A / B".
 */
export async function importList(c: Context, format: ImportFormat, text: string, products: Record<string, string> = {}): Promise<Imported> {
  const attendees = readList(format, text, products);
  await checkProducts(c, attendees);
  await checkReferences(c, attendees);
  const values: Imported["values"] = [];
  let issued = 0;
  for (let at = 0; at < attendees.length; at += atOnce) {
    const made = await transact(c.db, async (tx) => {
      const part = [];
      for (const a of attendees.slice(at, at + atOnce)) part.push({ a, ...(await issueOne(c, tx, { product: a.product, user: a.user, reference: a.reference, name: a.name, paid: "sold" })) });
      return part;
    });
    issued += made.filter((x) => x.isNew).length;
    values.push(...made.map(({ a, valueId, invitation }) => ({ reference: a.reference, user: a.user, valueId, ...(invitation !== undefined && { invitation }) })));
    if (at + atOnce < attendees.length) await new Promise<void>((go) => { setImmediate(go); });
  }
  return { issued, already: attendees.length - issued, values };
}

/** Reads a list without issuing anything. Throws `Wrong` with every line that is wrong, at most twenty. */
export function readList(format: ImportFormat, text: string, products: Record<string, string> = {}): Attendee[] {
  if (text.length > bytesMax) throw new Wrong("list_too_long", `The list has more than ${bytesMax / 1024 / 1024} MiB: import it in parts.`, 413);
  const rows = format === "json" ? readJson(text) : readCsv(text);
  if (rows.length > linesMax) throw new Wrong("list_too_long", `The list has more than ${linesMax} lines: import it in parts.`, 413);
  const found = rows.map((row) => (format === "pretix" ? pretixAttendee(row, products) : plainAttendee(row, products)));
  const wrong = found.flatMap((x) => ("wrong" in x ? [x.wrong] : []));
  const attendees = found.flatMap((x) => ("attendee" in x ? [x.attendee] : []));
  wrong.push(...repeated(attendees));
  if (wrong.length > 0) throw new Wrong("list_wrong", `Nothing was imported. ${wrong.slice(0, 20).join(" ")}${wrong.length > 20 ? ` And ${wrong.length - 20} more.` : ""}`);
  if (attendees.length === 0) throw new Wrong("list_empty", "The list names nobody: check that it has a header line and the columns reference, name, user, product.");
  return attendees;
}

interface Row { line: number; fields: Map<string, string> }
type Read = { wrong: string } | { attendee: Attendee } | { skip: true };

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
  return lines.filter((l) => l.cells.some((cell) => cell !== "")).map((l) => ({ line: l.line, fields: fieldsOf(names, l.cells) }));
}

/** Of two columns with one title the first counts: behind pretix' own come questions, which attendees answer as they like. */
function fieldsOf(names: readonly string[], cells: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  names.forEach((name, i) => { if (!fields.has(name)) fields.set(name, (cells[i] ?? "").trim()); });
  return fields;
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

/**
 * pretix' export "Order data", sheet "Order positions": one line a position, column titles in English or German, questions of
 * the organiser at the end. Only what is paid is issued; a status that nobody knows stops the import, for it may mean either.
 */
function pretixAttendee(row: Row, products: Record<string, string>): Read {
  const get = (...names: string[]): string => names.map((n) => row.fields.get(n) ?? "").find((v) => v !== "") ?? "";
  const [order, position, status] = [get("order code", "bestellnummer"), get("position id", "position"), get("status").toLowerCase()];
  if (order === "" || position === "") return { wrong: `Line ${row.line} has no order code or no position: is it the list of order positions of pretix' "Order data"?` };
  if (unpaid.has(status)) return { skip: true };
  if (!paid.has(status)) return { wrong: `Line ${row.line} (${order}-${position}) has the status "${status}", which may or may not be paid: this import knows ${[...paid, ...unpaid].join(", ")}.` };
  const [item, variation] = [get("product", "produkt"), get("variation", "variante")];
  const product = variation !== "" && products[`${item} / ${variation}`] !== undefined ? `${item} / ${variation}` : item;
  return attendeeOf(row.line, `${order}-${position}`, get("attendee name", "name teilnehmer*in"), get("attendee email", "e-mail teilnehmer*in", "email", "e-mail"), product, products);
}
const paid = new Set(["paid", "bezahlt"]);
const unpaid = new Set(["pending", "expired", "canceled", "ausstehend", "abgelaufen", "storniert"]);

function attendeeOf(line: number, reference: string, name: string, user: string, product: string, products: Record<string, string>): Read {
  if (reference === "") return { wrong: `Line ${line} has no reference (order code).` };
  const named = `Line ${line} (${reference.slice(0, 40)})`;
  if (user === "") return { wrong: `${named} names no user and no e-mail address.` };
  if (product === "") return { wrong: `${named} names no product.` };
  const id = userIdOf(user);
  if (id === undefined) return { wrong: `${named} has no usable user: 1 to 80 characters without blanks.` };
  if ([reference, name, product].some((cell) => cell.length > cellMost || /\p{Cc}/u.test(cell))) return { wrong: `${named} has a cell longer than ${cellMost} characters, or with control characters.` };
  return { attendee: { line, reference, name: name === "" ? id : name, user: id, product: products[product] ?? product } };
}

function repeated(attendees: readonly Attendee[]): string[] {
  const first = new Map<string, number>();
  return attendees.flatMap((a) => {
    const before = first.get(a.reference);
    first.set(a.reference, before ?? a.line);
    return before === undefined ? [] : [`Line ${a.line} repeats reference ${a.reference} of line ${before}.`];
  });
}

/** A reference that was issued before must have been for the same product and member, or nothing is imported. */
async function checkReferences(c: Context, attendees: readonly Attendee[]): Promise<void> {
  const differing: Attendee[] = [];
  for (let at = 0; at < attendees.length; at += atOnce) {
    const part = new Map(attendees.slice(at, at + atOnce).map((a) => [a.reference, a]));
    for (const known of await c.db.selectFrom("issued").select(["reference", "product_id", "user_id"]).where("reference", "in", [...part.keys()]).execute()) {
      const a = part.get(known.reference)!;
      if (a.product !== known.product_id || a.user !== known.user_id) differing.push(a);
    }
  }
  if (differing.length > 0) throw new Wrong("reference_differs", `Nothing was imported. ${differing.slice(0, 20).map((a) => `Line ${a.line}: reference ${a.reference} was issued before for another product or member.`).join(" ")}`, 409);
}

async function checkProducts(c: Context, attendees: readonly Attendee[]): Promise<void> {
  const known = new Set((await c.db.selectFrom("product").select("product_id").execute()).map((p) => p.product_id));
  const missing = attendees.filter((a) => !known.has(a.product));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((a) => a.product))].join(", ");
  throw new Wrong("product_unknown", `Nothing was imported. Line ${missing[0]!.line} names a product that this host has not: ${names}. Add it, or map it with "products".`, 404);
}

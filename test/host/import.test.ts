/**
 * Attendee lists become values (P1): pretix' own export in English and German, plain CSV, JSON; every line checked before
 * the first is issued; the same list again issues nothing; what is hostile is named and refused.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { importList, readCsv, readList } from "../../host/import.js";
import { addProduct } from "../../host/products.js";
import { checkBooks } from "../../host/invariants.js";
import { concert, openShop, openWorld, type World } from "./world.js";

const sample = (language: string): string => readFileSync(join(import.meta.dirname, `../vectors/pretix/order-positions.${language}.csv`), "utf8");
const brief = (list: ReturnType<typeof readList>): unknown[] => list.map((a) => [a.reference, a.name, a.user, a.product]);

describe("pretix' order positions", () => {
  const products = { Concert: "concert", "Concert / Balcony": "balcony", Konzert: "concert" };
  test("English, commas, quotes, CRLF: paid positions only, names with commas, the attendee's address before the buyer's", () => {
    expect(brief(readList("pretix", sample("en"), products))).toEqual([
      ["A1B2C-1", "Tanaka, Aiko", "aiko@example.org", "concert"],
      ["A1B2C-2", "Ben O'Kafor", "office@example.org", "concert"],
      ["M9N0P-1", '=HYPERLINK("http://example.org")', "gus@example.org", "balcony"],
    ]);
  });
  test("German, semicolons, byte order mark", () => {
    expect(brief(readList("pretix", sample("de"), products))).toEqual([["A1B2C-1", "Jörg Müller", "joerg@example.org", "concert"]]);
  });
  test("a question called like a column never overrides it: nobody answers himself a paid ticket", () => {
    expect(sample("en").split("\r\n")[0]!.match(/Status/g)).toHaveLength(2);
    expect(readList("pretix", sample("en"), products).map((a) => a.reference)).not.toContain("D3E4F-1");
  });
  test("a status in another language stops the import instead of being guessed", () => {
    expect(() => readList("pretix", sample("en").replace(",pending,", ",en attente,"))).toThrow(/Line 5 \(G5H6I-1\) has the status "en attente"/);
  });
  test("another sheet of the export is named", () => {
    expect(() => readList("pretix", "Order code,Status,Email\nA,paid,a@example.org\n")).toThrow("is it the list of order positions");
  });
});

describe("CSV as people have it", () => {
  const one = "reference,name,user,product\r\nA,Aiko,aiko,concert\r\n";
  test.each<[string, string]>([
    ["commas", one], ["semicolons", one.replaceAll(",", ";")], ["tabs", one.replaceAll(",", "\t")], ["line feeds", one.replaceAll("\r", "")], ["no last line end", one.trimEnd()],
    ["a byte order mark", "\uFEFF" + one], ["everything quoted", one.replace(/[^,\r\n]+/g, '"$&"')], ["blank lines", one.replaceAll("\r\n", "\r\n\r\n")],
    ["capitals and blanks in titles", one.replace("reference,name", " Reference , NAME ")], ["more columns", one.replace("product\r\n", "product,seat\r\n").replace("concert\r\n", "concert,7\r\n")],
    ["columns in another order", "product,user,name,reference\nconcert,aiko,Aiko,A\n"], ["another word for it", "code,attendee,e-mail,item\nA,Aiko,aiko,concert\n"],
  ])("%s", (_name, text) => { expect(brief(readList("csv", text))).toEqual([["A", "Aiko", "aiko", "concert"]]); });
  test("quotes, separators and line ends inside quotes stay", () => {
    expect([...readCsv('a,b\n"x ""y"", z","1\r\n2"\n')[0]!.fields.values()]).toEqual(['x "y", z', "1\r\n2"]);
  });
  test.each<[string, string, RegExp]>([
    ["an open quotation mark", 'reference,name,user,product\nA,"Aiko,aiko,concert\n', /Line 2 opens a quotation mark/],
    ["nothing", "", /names nobody/], ["a header alone", "reference,name,user,product\n", /names nobody/], ["no header", "A,Aiko,aiko,concert\nB,Ben,ben,concert\n", /has no reference/],
    ["no user", "reference,name,user,product\nA,Aiko,,concert\n", /Line 2 \(A\) names no user/], ["no product", "reference,name,user,product\nA,Aiko,aiko,\n", /names no product/],
    ["a reference twice", "reference,name,user,product\nA,Aiko,aiko,concert\nA,Ben,ben,concert\n", /Line 3 repeats reference A of line 2/],
    ["a NUL", "reference,name,user,product\nA,Ai\0ko,aiko,concert\n", /control characters/], ["a blank in the user", "reference,name,user,product\nA,Aiko,ai ko,concert\n", /no usable user/],
    ["a huge cell", `reference,name,user,product\nA,${"x".repeat(201)},aiko,concert\n`, /longer than 200/],
    ["a huge list", `reference,name,user,product\n${"x".repeat(16 * 1024 * 1024)}`, /16 MiB/],
    ["too many lines", `reference,name,user,product\n${"A,B,c,d\n".repeat(100_001)}`, /100000 lines/],
  ])("%s is refused in plain words", (_name, text, said) => { expect(() => readList("csv", text)).toThrow(said); });
});

describe("JSON", () => {
  test("the same fields; numbers are read as their digits", () => {
    expect(brief(readList("json", '[{"reference":17,"name":"Aiko","user":"AIKO","product":"concert"}]'))).toEqual([["17", "Aiko", "aiko", "concert"]]);
  });
  test.each<[string, RegExp]>([["{", /is not JSON/], ['{"a":1}', /must be a JSON array/], ["[1,null]", /Line 1 has no reference/], ['[{"__proto__":{"reference":"A"}}]', /no reference/]])("%s is refused", (text, said) => {
    expect(() => readList("json", text)).toThrow(said);
  });
});

describe("issuing", () => {
  let x: World;
  beforeEach(async () => { x = await openWorld(); await openShop(x); });
  afterEach(() => x.close());
  const list = (...lines: string[]): string => ["reference,name,user,product", ...lines].join("\n");
  const issued = async (): Promise<number> => (await x.context.db.selectFrom("issued").select("value_id").execute()).length;

  test("one wrong line and nothing is issued; corrected, all is; again, nothing twice", async () => {
    const lines = Array.from({ length: 450 }, (_, n) => `R${n},Guest ${n},guest${n}@example.org,concert`);
    await expect(importList(x.context, "csv", list(...lines, "R450,Last,,concert"))).rejects.toThrow("Nothing was imported. Line 452");
    await expect(importList(x.context, "csv", list(...lines, "R450,Last,last,opera"))).rejects.toThrow("Line 452 names a product that this host has not: opera");
    expect(await issued()).toBe(0);
    expect(await importList(x.context, "csv", list(...lines))).toMatchObject({ issued: 450, already: 0 });
    expect(await importList(x.context, "csv", list(...lines, "R450,Last,last,concert"))).toMatchObject({ issued: 1, already: 450 });
    expect([await issued(), await checkBooks(x.context.db)]).toEqual([451, []]);
  });
  test("a reference that was issued for somebody else stops the list before its first line", async () => {
    await importList(x.context, "csv", list("B,Ben,ben,concert"));
    await expect(importList(x.context, "csv", list("A,Aiko,aiko,concert", "B,Chi,chi,concert"))).rejects.toThrow("Nothing was imported. Line 3: reference B");
    expect(await issued()).toBe(1);
  });
  test("what was sold keeps its worth: a product cannot change behind its holders, but its name and end can", async () => {
    await importList(x.context, "csv", list("A,Aiko,aiko,concert"));
    for (const change of [{ price: 1 }, { merchantShare: 1 }, { kind: "other" }, { grantUses: 1 }, { currency: "JPY" }]) await expect(addProduct(x.context, { ...concert, ...change })).rejects.toThrow("has been sold");
    await addProduct(x.context, { ...concert, name: "Concert, moved to the hall", until: concert.until + 86_400 });
  });
  test("a product whose values would not fit a tap is refused", async () => {
    await expect(addProduct(x.context, { ...concert, product: "wide", kind: "k".repeat(160), zones: Array.from({ length: 16 }, (_, n) => 2 ** 50 + n), perDay: 1, intervalSeconds: 1, from: 1, passage: true })).rejects.toThrow(/would have \d+ bytes/);
  });
});

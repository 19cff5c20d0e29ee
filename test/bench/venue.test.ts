/**
 * The demonstration as a stranger has it (S1, S6, S11): `kaisatsu venue` tells its story to the end, and with `--stay` every
 * command that it prints works when it is pasted into a second console. The story itself takes its time: people walk.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kaisatsu, Process } from "./command-line.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-venue-test-"));
const storyWithinMs = 180_000;
let venue: Process;
beforeAll(() => { venue = new Process(["venue", "--stay", "--json", "--data", join(folder, "an evening's data")], folder); });
afterAll(async () => {
  await venue.stop();
  rmSync(folder, { recursive: true });
});

/** What a shell says to a pasted line. */
const pasted = (command: string): Promise<{ code: number; out: string }> => new Promise((resolve) => {
  execFile("/bin/sh", ["-c", command], { cwd: folder, env: { ...process.env, NO_COLOR: "1" } }, (error, stdout, stderr) => resolve({ code: (error?.code as number | undefined) ?? 0, out: stdout + stderr }));
});

test("S1, S6, S11: the story ends as it must, with one summary object", async () => {
  const summary = JSON.parse(await venue.line(/"ledgerBalanced"/));
  expect(Object.keys(summary)).toEqual(["taps", "opened", "refused", "resumed", "bytes", "tapMs", "ledgerBalanced"]);
  expect(summary.ledgerBalanced).toBe(true);
  expect(summary.bytes.fullCertificates).toBeLessThanOrEqual(900);
  expect(summary.bytes.knownCertificates).toBeLessThanOrEqual(650);
}, storyWithinMs);

test("S11: what --stay prints works from a second console, in this order", async () => {
  const staying = JSON.parse(await venue.line(/"staying"/));
  const [enrol, collect, ticket, swim, card, receipts] = staying.commands as string[];
  expect(await pasted(enrol!)).toMatchObject({ code: 0, out: expect.stringMatching(/^Enrolled\./) });
  expect(await pasted(collect!)).toMatchObject({ code: 0, out: expect.stringMatching(/^(?=[^]*Concert, standing)(?=[^]*Twenty swims)(?=[^]*Card of 20\.00 EUR)/) });
  expect(await pasted(ticket!)).toMatchObject({ code: 0, out: expect.stringMatching(/Through\. Concert, standing: 1 use at North, 0 of 1 use left\.\n$/) });
  expect(await pasted(ticket!)).toMatchObject({ code: 1, out: expect.stringMatching(/^Refused\. Already used \(14 already_used\)/) });
  expect(await pasted(swim!)).toMatchObject({ code: 0, out: expect.stringMatching(/19 of 20 uses left/) });
  expect(await pasted(card!)).toMatchObject({ code: 0, out: expect.stringMatching(/3\.50 EUR at Fares, 16\.50 EUR left/) });
  await expect.poll(async () => (await pasted(receipts!)).out, { timeout: 30_000, interval: 500 }).toMatch(/(agree[^]*){3}The host's books say the same\.\n$/);
  expect(JSON.parse(await venue.line(/"event":"tap","terminal":"Fares"/))).toMatchObject({ light: "green", code: 0, kind: "card" });
  expect(await venue.stop()).toBe(0);
}, storyWithinMs);

test("Ctrl-C in the middle of the story ends it, and its temporary folder goes", async () => {
  const temporary = mkdtempSync(join(folder, "tmp-"));
  const broken = new Process(["venue", "--json"], folder, { TMPDIR: temporary });
  await broken.line(/"say"/);
  expect(readdirSync(temporary)).toHaveLength(1);
  expect(await broken.stop()).toBe(1);
  expect(readdirSync(temporary)).toEqual([]);
}, storyWithinMs);

test("a folder that holds something already is left alone", async () => {
  const ran = await kaisatsu(["venue", "--data", folder]);
  expect(ran.code).toBe(2);
  expect(ran.err).toMatch(/is there already; the venue begins in a folder of its own/);
});

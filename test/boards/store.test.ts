/**
 * The store conformance on both stores, and what only a file has: a lock, a length, an owner, disks that fail in their own ways.
 */
import { afterEach, describe, expect, test } from "vitest";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openFileStore, pageDisk, type FileStore, type PageDisk } from "../../boards/node/file-store.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { faultIn, size, storeConforms } from "./store.conformance.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-store-"));
let files = 0;
const fresh = (): string => join(folder, String(++files), "journal");
const stores: FileStore[] = [];
const open = (path: string, by?: PageDisk): FileStore => {
  const store = openFileStore(path, size, by);
  stores.push(store);
  return store;
};
afterEach(() => { for (const store of stores.splice(0)) store.close(); });
afterEach(() => { rmSync(folder, { recursive: true, force: true }); mkdirSync(folder); });

/** What the kernel itself says when there is no room. */
function writeToFull(): number {
  const full = openSync("/dev/full", "w");
  try { return writeSync(full, new Uint8Array(1)); } finally { closeSync(full); }
}
const diskError = (code: string, text: string): Error => Object.assign(new Error(`${code}: ${text}`), { code });

storeConforms("memory", () => {
  const store = makeMemoryStore(size);
  return { store, reopen: () => store.restarted(), fail: (what) => { if (what === "sync") store.failSync(); else store.cutAfter(0); }, close: () => undefined };
});

storeConforms("a file", () => {
  const path = fresh();
  let failing: string | undefined;
  const disk: PageDisk = {
    ...pageDisk,
    writeSync: ((...a: Parameters<PageDisk["writeSync"]>) => { if (failing === "write") throw diskError("EIO", "i/o error, write"); return pageDisk.writeSync(...a); }) as PageDisk["writeSync"],
    fdatasyncSync: (d) => { if (failing === "sync") throw diskError("EIO", "i/o error, fdatasync"); pageDisk.fdatasyncSync(d); },
  };
  const store = open(path, disk);
  return { store, reopen: () => { store.close(); return open(path); }, fail: (what) => { failing = what; }, close: () => undefined };
});

describe("a file that is opened", () => {
  test("belongs to its owner alone, and so does the folder made for it: pages hold group keys", () => {
    const path = fresh();
    open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  });

  test("that was copied here open to others is its owner's alone from then on", () => {
    const path = fresh();
    open(path).close();
    chmodSync(path, 0o644);
    open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("of another length is another configuration's, and stays as it is", () => {
    const path = fresh();
    open(path).close();
    truncateSync(path, 1000);
    expect(faultIn(() => open(path))).toMatchObject({ kind: "broken", message: expect.stringMatching(/has 1000 bytes instead of 1024/) as unknown });
    expect(statSync(path).size).toBe(1000);
    expect(existsSync(path + ".lock")).toBe(false);
  });

  test("a cut while the file was made leaves a beginning that is made anew", () => {
    const path = fresh();
    mkdirSync(join(path, ".."));
    writeFileSync(path + ".new", new Uint8Array(100).fill(0xff), { mode: 0o644 });
    expect(open(path).read(3, 255, 1)).toEqual(new Uint8Array([0xff]));
    expect(readdirSync(join(path, "..")).sort()).toEqual(["journal", "journal.lock"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("what a killed process wrote is made durable before it is read", () => {
    const path = fresh();
    open(path).close();
    const calls: string[] = [];
    const watched = { ...pageDisk, fdatasyncSync: (d: number) => { calls.push("sync"); pageDisk.fdatasyncSync(d); } };
    const read = pageDisk.readSync as (...a: unknown[]) => number;
    watched.readSync = ((...a: unknown[]) => { calls.push("read"); return read(...a); }) as PageDisk["readSync"];
    open(path, watched).read(0, 0, 1);
    expect(calls).toEqual(["sync", "read"]);
  });

  test("a disk that takes a byte at a time, and gives one, is slow and right", () => {
    const path = fresh();
    const slow: PageDisk = {
      ...pageDisk,
      writeSync: ((d: number, b: Uint8Array, o: number, _l: number, at: number) => pageDisk.writeSync(d, b, o, 1, at)) as PageDisk["writeSync"],
      readSync: ((d: number, b: Uint8Array, o: number, _l: number, at: number) => pageDisk.readSync(d, b, o, 1, at)) as PageDisk["readSync"],
    };
    const store = open(path, slow);
    store.write(0, 8, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    expect(store.read(0, 7, 10)).toEqual(new Uint8Array([0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0xff]));
  });

  const troubles: [string, () => number, string, RegExp][] = [
    ["a full disk", () => writeToFull(), "full", /free some space/],
    ["a quota", () => { throw diskError("EDQUOT", "disk quota exceeded, write"); }, "full", /free some space/],
    ["a worn card that turned read-only", () => { throw diskError("EROFS", "read-only file system, write"); }, "broken", /worn SD card/],
    ["a disk that breaks", () => { throw diskError("EIO", "i/o error, write"); }, "broken", /replace the disk/],
    ["a disk that takes nothing, and says nothing", () => 0, "full", /free some space/],
  ];
  test.each(troubles)("%s while it is made: a board error, no file and no lock", (_name, write, kind, says) => {
    const path = fresh();
    const error = faultIn(() => open(path, { ...pageDisk, writeSync: write as unknown as PageDisk["writeSync"] }));
    expect(error).toMatchObject({ kind, message: expect.stringMatching(says) as unknown });
    expect([existsSync(path), existsSync(path + ".lock")]).toEqual([false, false]);
    open(path).sync();
  });

  test.each(troubles)("%s in service: a board error, and a restart finds what was durable", (_name, write, kind) => {
    const path = fresh();
    let failing = false;
    const disk = { ...pageDisk, writeSync: ((...a: Parameters<PageDisk["writeSync"]>) => (failing ? write() : pageDisk.writeSync(...a))) as PageDisk["writeSync"] };
    const store = open(path, disk);
    store.write(0, 0, new Uint8Array(8));
    store.sync();
    failing = true;
    expect(faultIn(() => store.write(0, 8, new Uint8Array(8)))).toMatchObject({ kind });
    failing = false;
    expect(faultIn(() => store.read(0, 0, 1))).toMatchObject({ kind, message: expect.stringMatching(/Restart/) as unknown });
    store.close();
    expect(open(path).read(0, 7, 2)).toEqual(new Uint8Array([0, 0xff]));
  });

  test("cut shorter behind its back: a board error, not a page of nothing", () => {
    const path = fresh();
    const store = open(path);
    truncateSync(path, 300);
    expect(faultIn(() => store.read(2, 0, 4))).toMatchObject({ kind: "broken", message: expect.stringMatching(/shorter than it was/) as unknown });
  });

  test("closed: every call is a board error, closing again is nothing", () => {
    const store = open(fresh());
    store.close();
    store.close();
    expect(faultIn(() => store.read(0, 0, 1))).toMatchObject({ kind: "disconnected" });
    expect(faultIn(() => store.write(0, 0, new Uint8Array(8)))).toMatchObject({ kind: "disconnected" });
    expect(faultIn(() => store.sync())).toMatchObject({ kind: "disconnected" });
  });
});

describe("one process at a time", () => {
  const lockedBy = (path: string, owner: string): void => { mkdirSync(join(path, ".."), { recursive: true }); writeFileSync(path + ".lock", owner); };
  /** How a living process is named in a lock: its id, start and boot. */
  const ownName = (): string => {
    const path = fresh();
    const store = open(path);
    const text = readFileSync(path + ".lock", "utf8");
    store.close();
    return text;
  };

  test("a second opener is refused and told whom to stop, also in this process", () => {
    const path = fresh();
    open(path);
    expect(faultIn(() => open(path))).toMatchObject({ kind: "busy", message: expect.stringContaining(`process ${process.pid}`) as unknown });
    expect(faultIn(() => open(join(path, "..", ".", "journal")))).toMatchObject({ kind: "busy" });
  });

  test("another living process holds it", () => {
    const path = fresh();
    const parent = readFileSync(`/proc/${process.ppid}/stat`, "utf8");
    lockedBy(path, ownName().replace(/^\d+ \d+/, `${process.ppid} ${parent.slice(parent.lastIndexOf(")") + 2).split(" ")[19]}`));
    expect(faultIn(() => open(path))).toMatchObject({ kind: "busy", message: expect.stringContaining(`process ${process.ppid}`) as unknown });
  });

  const dead = (): number => spawnSync(process.execPath, ["-e", ""]).pid;
  const stale: [string, () => string][] = [
    ["a process that is gone", () => ownName().replace(/^\d+/, String(dead()))],
    ["an earlier process that had this one's id", () => ownName().replace(/ \d+ /, " 1 ")],
    ["this very id and start, before the last boot", () => ownName().replace(/\S+$/, "00000000-0000-0000-0000-000000000000")],
    ["nobody, as a power cut leaves it", () => ""],
    ["nobody that can be read", () => "\u0000\u0000\u0000\u0000"],
    ["process 0, which every signal reaches", () => ownName().replace(/^\d+/, "0")],
    ["a group of processes", () => ownName().replace(/^\d+/, "-1")],
    ["a number alone, that a living process has", () => "1"],
  ];
  test.each(stale)("a lock of %s is taken over", (_name, owner) => {
    const path = fresh();
    lockedBy(path, owner());
    open(path).write(0, 0, new Uint8Array(8));
    expect(faultIn(() => open(path))).toMatchObject({ kind: "busy" });
  });

  test("of five processes that find a dead one's lock at once, one has it", async () => {
    const path = fresh();
    open(path).close();
    lockedBy(path, ownName().replace(/^\d+/, String(dead())));
    const store = join(dirname(fileURLToPath(import.meta.url)), "../../dist/boards/node/file-store.js");
    const program = `const { openFileStore } = await import(${JSON.stringify(store)});
      process.stdout.write("ready\\n");
      process.stdin.once("data", () => {
        try { openFileStore(${JSON.stringify(path)}, ${JSON.stringify(size)}); process.stdout.write("has it\\n"); } catch (error) { process.stdout.write(error.kind + "\\n"); }
        process.stdin.once("data", () => process.exit());
      });`;
    const children = Array.from({ length: 5 }, () => spawn(process.execPath, ["--input-type=module", "-e", program]));
    const lines = children.map((child) => createInterface(child.stdout)[Symbol.asyncIterator]());
    await Promise.all(lines.map((l) => l.next()));
    for (const child of children) child.stdin.write("open\n");
    const said = await Promise.all(lines.map(async (l) => (await l.next()).value as string));
    expect(said.sort()).toEqual(["busy", "busy", "busy", "busy", "has it"]);
    for (const child of children) child.stdin.write("end\n");
    await Promise.all(children.map((child) => new Promise((done) => child.on("exit", done))));
    open(path);
  });

  test("closing gives it back and leaves nothing beside the file", () => {
    const path = fresh();
    open(path).close();
    expect(readdirSync(join(path, ".."))).toEqual(["journal"]);
    open(path);
  });

  test("a path below a file says so", () => {
    const path = fresh();
    open(path).close();
    expect(faultIn(() => open(join(path, "below", "journal")))).toMatchObject({ kind: "absent", message: expect.stringMatching(/correct its path/) as unknown });
  });
});

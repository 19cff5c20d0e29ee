/** `kaisatsu install`: what it writes, what systemd says of it, what it refuses, and what it never shows. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { kaisatsu } from "./command-line.js";
import { example, readConfiguration } from "../../boards/bench/terminal/configuration.js";
import { tellService } from "../../boards/bench/terminal/service.js";
import { instanceOf, unitText } from "../../boards/bench/terminal/unit.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-install-"));
afterAll(() => rmSync(folder, { recursive: true }));
const configuration = (name: string, change: object = {}): string => {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(example) as object), ...change }));
  return path;
};
const claim = (JSON.parse(example) as { claim: string }).claim;
let roots = 0;
const root = (): string => join(folder, `root${++roots}`);
const unitAt = (at: string): string => join(at, "etc/systemd/system/kaisatsu-north.service");
const configurationAt = (at: string): string => join(at, "etc/kaisatsu/north.json");

test("a unit and a configuration are written, said, and followed by three commands", async () => {
  const at = root();
  const ran = await kaisatsu(["install", configuration("north"), "--folder", at]);
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(ran.out).toBe(`Written: ${unitAt(at)} (the service).\nWritten: ${configurationAt(at)} (its configuration, for root alone).\nNext:\n  sudo systemctl daemon-reload\n  sudo systemctl enable --now kaisatsu-north\n  journalctl -u kaisatsu-north -f\n`);
  expect([statSync(unitAt(at)).mode & 0o777, statSync(configurationAt(at)).mode & 0o777]).toEqual([0o644, 0o600]);
  const kept = readConfiguration(readFileSync(configurationAt(at), "utf8"), configurationAt(at));
  expect(kept).toMatchObject({ name: "North", data: "/var/lib/kaisatsu/north", claim });
});

test("the unit names each port and nothing else, its own user, a read-only system, a watchdog", async () => {
  const at = root();
  await kaisatsu(["install", configuration("north"), "--folder", at]);
  const unit = readFileSync(unitAt(at), "utf8");
  expect([...unit.matchAll(/^DeviceAllow=(.*)$/gm)].map((m) => m[1])).toEqual(["/dev/ttyUSB0 rw", "/dev/ttyACM1 rw", "/dev/ttyACM0 rw"]);
  for (const line of ["DevicePolicy=closed", "ProtectSystem=strict", "StateDirectory=kaisatsu/north", "SupplementaryGroups=dialout", "DynamicUser=yes", "Restart=always", "Type=notify", "NotifyAccess=all", "WatchdogSec=60", "LoadCredential=configuration:/etc/kaisatsu/north.json", "NoNewPrivileges=yes"]) {
    expect(unit.split("\n")).toContain(line);
  }
  expect(unit).not.toContain(claim);
});

const verify = spawnSync("systemd-analyze", ["--version"]).status === 0;
test.runIf(verify)("systemd itself finds nothing wrong with the unit", async () => {
  const at = root();
  await kaisatsu(["install", configuration("north"), "--folder", at]);
  const said = spawnSync("systemd-analyze", ["verify", unitAt(at)], { encoding: "utf8" });
  // Units of this machine that are not ours may have faults of their own.
  expect(said.stderr.split("\n").filter((line) => line.includes("kaisatsu"))).toEqual([]);
});

test("a name or path cannot smuggle a line into the unit", () => {
  const x = readConfiguration(example, "/x.json");
  if ("problems" in x) throw new Error("the example is no configuration");
  const evil = unitText({ ...x, name: "North\nExecStartPre=/bin/sh", link: { ...x.link, port: "/dev/tty USB\n%0" } }, "north", "/etc/kaisatsu/north.json", ["/usr/bin/node", "/opt/my kaisatsu/main.js"]);
  expect(evil.split("\n").filter((line) => line.startsWith("ExecStartPre"))).toEqual([]);
  expect(evil).toContain('ExecStart=/usr/bin/node "/opt/my kaisatsu/main.js" terminal %d/configuration');
});

test.each([["North", "north"], ["改札 1 / Nörd", "1-no-rd"], ["../../etc", "etc"], ["改札", undefined]])("the terminal %j is the service %j", (name, instance) => {
  expect(instanceOf(name)).toBe(instance);
});

describe("what is there already", () => {
  test("the same again changes nothing; a file that differs is refused without --force", async () => {
    const at = root();
    const install = (...more: string[]) => kaisatsu(["install", configuration("north"), "--folder", at, ...more]);
    await install();
    expect((await install()).code).toBe(0);
    writeFileSync(unitAt(at), "mine");
    const refused = await install();
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/is there and differs: look at it, then give --force/);
    expect(readFileSync(unitAt(at), "utf8")).toBe("mine");
    expect((await install("--force")).code).toBe(0);
    expect(readFileSync(unitAt(at), "utf8")).toMatch(/^# Written by/);
  });
  test("--dry-run writes nothing and shows no claim code", async () => {
    const at = root();
    for (const more of [[], ["--json"]]) {
      const ran = await kaisatsu(["install", configuration("north"), "--folder", at, "--dry-run", ...more]);
      expect(ran.code).toBe(0);
      expect(ran.out).toMatch(/WatchdogSec=60/);
      expect(ran.out).not.toContain(claim);
    }
    expect(existsSync(at)).toBe(false);
  });
  test("a port outside /dev, a name without letters: the command line was wrong", async () => {
    expect((await kaisatsu(["install", configuration("odd", { link: { port: "/dev/../etc/shadow", baud: 9600 } }), "--dry-run"])).code).toBe(2);
    expect((await kaisatsu(["install", configuration("odd", { name: "改札" }), "--dry-run"])).err).toMatch(/no letter or digit/);
  });
});

test("a service tells systemd that it is ready and that its loop turns; no service tells nothing", async () => {
  const notify = join(folder, "systemd-notify");
  const told = join(folder, "told");
  writeFileSync(notify, `#!/bin/sh\necho "$*" >> ${told}\n`);
  chmodSync(notify, 0o755);
  const path = `${folder}:${process.env["PATH"]}`;
  tellService({ PATH: path })();
  const stop = tellService({ PATH: path, NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "60000" });
  await expect.poll(() => (existsSync(told) ? readFileSync(told, "utf8") : ""), { timeout: 20_000 }).toMatch(/^--ready\n(WATCHDOG=1\n){2}/);
  stop();
});

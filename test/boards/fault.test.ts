/**
 * What the operating system's errors mean to a person: a table. Each sentence names the device, says what happened and what
 * to do, and nothing of the program inside.
 */
import { describe, expect, test } from "vitest";
import { faultOf } from "../../boards/node/fault.js";
import { boardFault } from "../../runtime/journal/store.js";

const device = "/dev/ttyUSB0";
const coded = (code: string, text: string): Error => Object.assign(new Error(`${code}: ${text}, open '${device}'`), { code });

const rows: [string, unknown, string, RegExp][] = [
  ["a path that is not there", coded("ENOENT", "no such file or directory"), "absent", /is not there: plug it in, or correct its path/],
  ["the same, as serialport says it", new Error("Error: No such file or directory, cannot open /dev/ttyUSB0"), "absent", /is not there/],
  ["a device that left", coded("ENXIO", "no such device or address"), "absent", /plug it in/],
  ["no right to it", coded("EACCES", "permission denied"), "denied", /may not be opened: .*dialout/],
  ["the same, as serialport says it", new Error("Error: Permission denied, cannot open /dev/ttyUSB0"), "denied", /dialout/],
  ["not permitted", coded("EPERM", "operation not permitted"), "denied", /may not be opened/],
  ["in use", coded("EBUSY", "resource busy or locked"), "busy", /is in use: stop the other program that holds it/],
  ["locked, as serialport says it", new Error("Error Resource temporarily unavailable Cannot lock port"), "busy", /is in use/],
  ["a full disk", coded("ENOSPC", "no space left on device"), "full", /has no room left: free some space/],
  ["a quota", coded("EDQUOT", "disk quota exceeded"), "full", /free some space/],
  ["a read-only disk", coded("EROFS", "read-only file system"), "broken", /mounted read-only, which a worn SD card does by itself; replace it/],
  ["a disk that breaks", coded("EIO", "i/o error"), "broken", /check its cable, or replace the disk/],
  ["a folder where a file should be", coded("EISDIR", "illegal operation on a directory"), "absent", /is no file: correct its path/],
  ["a file where a folder should be", coded("ENOTDIR", "not a directory"), "absent", /correct its path/],
  ["anything else", coded("EPROTO", "protocol error"), "broken", /failed: EPROTO: protocol error/],
  ["a word that was thrown", "out of paper", "broken", /failed: out of paper/],
  ["nothing that was thrown", undefined, "broken", /failed: undefined/],
  ["null", null, "broken", /failed: null/],
];

describe("what an error means", () => {
  test.each(rows)("%s", (_name, error, kind, says) => {
    const fault = faultOf(error, device);
    expect(fault).toBeInstanceOf(Error);
    expect(fault).toMatchObject({ name: "BoardError", kind, message: expect.stringMatching(says) as unknown });
    expect(fault.message).toMatch(new RegExp(`^${device} .+\\.?$`));
  });

  test("a board error stays what it is", () => {
    const fault = boardFault("timed_out", "The scanner takes no bytes: check the cable.");
    expect(faultOf(fault, device)).toBe(fault);
  });
});

/**
 * What a gate in the world keeps its journal and cells on: a file on a disk, whose writes wait for a sync, or NOR flash, where
 * each operation is durable when it ends and a cut leaves weak bits.
 */
import { makeDisk, type Disk, type DiskSize } from "../../boards/sim/disk.js";
import { makeFlash, type Flash } from "../../boards/sim/flash.js";
import type { FaultyStore } from "../../boards/sim/faulty.js";
import { unitBytes } from "../../runtime/journal/store.js";

export interface Pages extends FaultyStore {
  readonly kind: "disk" | "flash";
  /** Sectors written and not durable; flash has none. */
  pending(): number[];
  restarted(): Pages;
}

const onDisk = (disk: Disk): Pages => ({ ...disk, kind: "disk", restarted: () => onDisk(disk.restarted()) });
const onFlash = (flash: Flash): Pages => ({ ...flash, kind: "flash", pending: () => [], restarted: () => onFlash(flash.restarted() as Flash) });

export function pagesOf(kind: "disk" | "flash" | undefined, size: DiskSize): Pages {
  return kind === "flash" ? onFlash(makeFlash(size)) : onDisk(makeDisk(size));
}

/** What somebody reads off a store while its owner uses it, on a store of this kind. */
export function copyOfPages(from: Pick<Pages, "pageBytes" | "pages" | "read">, kind: "disk" | "flash" = "disk"): Pages {
  const copy = pagesOf(kind, { pageBytes: from.pageBytes, pages: from.pages });
  for (let page = 0; page < from.pages; page++) {
    const bytes = from.read(page, 0, from.pageBytes);
    if (kind === "disk") copy.write(page, 0, bytes); else programmed(bytes, (at, length) => copy.write(page, at, bytes.subarray(at, at + length)));
  }
  copy.sync();
  return copy;
}

/** Runs of units that hold something: an erased unit of a chip was never programmed. */
function programmed(bytes: Uint8Array, each: (at: number, length: number) => void): void {
  const isErased = (at: number): boolean => bytes.subarray(at, at + unitBytes).every((b) => b === 0xff);
  for (let at = 0; at < bytes.length; at += unitBytes) {
    if (isErased(at)) continue;
    const begins = at;
    while (at < bytes.length && !isErased(at)) at += unitBytes;
    each(begins, at - begins);
  }
}

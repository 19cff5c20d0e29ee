/**
 * CRC-32 (IEEE 802.3), in every frame and every record. A CRC that fits is never a reason to believe a message; signatures
 * and MACs are.
 */
import { tableOf } from "./crc16.js";

/** CRC-32: reflected 0x04C11DB7, start and final XOR all ones. "123456789" gives 0xCBF43926. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table32[(crc ^ bytes[i]!) & 255]!;
  return (crc ^ -1) >>> 0;
}

const table32 = tableOf(0xedb88320);

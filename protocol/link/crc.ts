/**
 * Check sums against noise: CRC-32 (IEEE 802.3) in every frame, FCS-16 (CRC-16/X-25) in the infrared wrapper and in meters,
 * CRC-16/ARC and Kermit's in meters alone. A CRC that fits is never a reason to believe a message; signatures and MACs are.
 */

/** CRC-32: reflected 0x04C11DB7, start and final XOR all ones. "123456789" gives 0xCBF43926. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table32[(crc ^ bytes[i]!) & 255]!;
  return (crc ^ -1) >>> 0;
}

/** FCS-16 (RFC 1662 appendix C, IrLAP): reflected 0x1021, start and final XOR all ones. "123456789" gives 0x906E. */
export function fcs16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table16[(crc ^ bytes[i]!) & 255]!;
  return (crc ^ 0xffff) & 0xffff;
}

/** CRC-16/KERMIT: as `fcs16`, start and final XOR zero. "123456789" gives 0x2189. */
export function crc16Kermit(bytes: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table16[(crc ^ bytes[i]!) & 255]!;
  return crc;
}

/** CRC-16/ARC: reflected 0x8005, start and final XOR zero. "123456789" gives 0xBB3D. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ tableArc[(crc ^ bytes[i]!) & 255]!;
  return crc;
}

function table(polynomial: number): number[] {
  const rows: number[] = [];
  for (let i = 0; i < 256; i++) {
    let row = i;
    for (let bit = 0; bit < 8; bit++) row = row & 1 ? (row >>> 1) ^ polynomial : row >>> 1;
    rows.push(row);
  }
  return rows;
}

const table32 = table(0xedb88320);
const table16 = table(0x8408);
const tableArc = table(0xa001);

/**
 * Check sums of 16 bits against noise: FCS-16 (CRC-16/X-25) in the infrared wrapper and in meters, CRC-16/ARC and Kermit's in
 * meters alone.
 */

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

/** The remainders of all bytes under a reflected polynomial. */
export function tableOf(polynomial: number): number[] {
  const rows: number[] = [];
  for (let i = 0; i < 256; i++) {
    let row = i;
    for (let bit = 0; bit < 8; bit++) row = row & 1 ? (row >>> 1) ^ polynomial : row >>> 1;
    rows.push(row);
  }
  return rows;
}

const table16 = tableOf(0x8408);
const tableArc = tableOf(0xa001);

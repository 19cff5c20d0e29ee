/*
 * ECDSA P-256 verification for ARM microcontrollers whose JavaScript engine has hashes but no elliptic curves.
 *
 * One position-independent function without libc, called through Espruino's E.nativeCall, so that a board of 64 KB can
 * check a value certificate and an acknowledgement by itself (boards without it stay profile B). It sees public inputs
 * only: nothing here tries to be constant in time, and nothing here may ever be given a private key.
 *
 * Numbers are eight 32-bit limbs, least significant first. Field and scalar arithmetic are one Montgomery multiplication
 * with two moduli; inverses and square roots are powers; points are Jacobian, Z = 0 is infinity (SEC 1, FIPS 186-5).
 */
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef u32 num[8];

/* A modulus m, R^2 mod m with R = 2^256, and -1/m mod 2^32. */
typedef struct { num m, rr; u32 inverse; } modulus;
typedef struct { num x, y, z; } point;

static const modulus field = {
  { 0xffffffff, 0xffffffff, 0xffffffff, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0xffffffff },
  { 0x00000003, 0x00000000, 0xffffffff, 0xfffffffb, 0xfffffffe, 0xffffffff, 0xfffffffd, 0x00000004 },
  0x00000001 };
static const modulus order = {
  { 0xfc632551, 0xf3b9cac2, 0xa7179e84, 0xbce6faad, 0xffffffff, 0xffffffff, 0x00000000, 0xffffffff },
  { 0xbe79eea2, 0x83244c95, 0x49bd6fa6, 0x4699799c, 0x2b6bec59, 0x2845b239, 0xf3d95620, 0x66e12d94 },
  0xee00bc4f };
/* The curve's b, its generator, and (p + 1) / 4, the power that is a square root. */
static const num curve_b = { 0x27d2604b, 0x3bce3c3e, 0xcc53b0f6, 0x651d06b0, 0x769886bc, 0xb3ebbd55, 0xaa3a93e7, 0x5ac635d8 };
static const num base_x = { 0xd898c296, 0xf4a13945, 0x2deb33a0, 0x77037d81, 0x63a440f2, 0xf8bce6e5, 0xe12c4247, 0x6b17d1f2 };
static const num base_y = { 0x37bf51f5, 0xcbb64068, 0x6b315ece, 0x2bce3357, 0x7c0f9e16, 0x8ee7eb4a, 0xfe1a7f9b, 0x4fe342e2 };
static const num root_power = { 0x00000000, 0x00000000, 0x40000000, 0x00000000, 0x00000000, 0x40000000, 0xc0000000, 0x3fffffff };
static const num unit = { 1, 0, 0, 0, 0, 0, 0, 0 };

static void copy(num r, const num a) {
  for (int i = 0; i < 8; i++) r[i] = a[i];
}

static int is_zero(const num a) {
  u32 any = 0;
  for (int i = 0; i < 8; i++) any |= a[i];
  return any == 0;
}

static int is_equal(const num a, const num b) {
  u32 any = 0;
  for (int i = 0; i < 8; i++) any |= a[i] ^ b[i];
  return any == 0;
}

/* r = a - b; answers the borrow, 1 when a < b. */
static u32 subtract(num r, const num a, const num b) {
  u32 borrow = 0;
  for (int i = 0; i < 8; i++) {
    u64 d = (u64)a[i] - b[i] - borrow;
    r[i] = (u32)d;
    borrow = (u32)(d >> 32) & 1;
  }
  return borrow;
}

/* r = a + b; answers the carry. */
static u32 sum(num r, const num a, const num b) {
  u64 carry = 0;
  for (int i = 0; i < 8; i++) {
    carry += (u64)a[i] + b[i];
    r[i] = (u32)carry;
    carry >>= 32;
  }
  return (u32)carry;
}

static int is_below(const num a, const num b) {
  num ignored;
  return subtract(ignored, a, b) == 1;
}

/* Takes m off once, if r with this carry in front is m or more. */
static void reduce(num r, u32 carry, const modulus *m) {
  num less;
  u32 borrow = subtract(less, r, m->m);
  if (carry == 1 || borrow == 0) copy(r, less);
}

static void add(num r, const num a, const num b, const modulus *m) {
  u32 carry = sum(r, a, b);
  reduce(r, carry, m);
}

static void sub(num r, const num a, const num b, const modulus *m) {
  if (subtract(r, a, b) == 1) sum(r, r, m->m);
}

/* r = a * b / R mod m (Montgomery, coarsely integrated operand scanning). r may be a or b. */
static void mul(num r, const num a, const num b, const modulus *m) {
  u32 t[9];
  for (int i = 0; i < 9; i++) t[i] = 0;
  for (int i = 0; i < 8; i++) {
    u64 carry = 0;
    for (int j = 0; j < 8; j++) {
      carry += (u64)a[j] * b[i] + t[j];
      t[j] = (u32)carry;
      carry >>= 32;
    }
    u64 high = (u64)t[8] + (u32)carry;
    u32 q = t[0] * m->inverse;
    carry = ((u64)q * m->m[0] + t[0]) >> 32;
    for (int j = 1; j < 8; j++) {
      carry += (u64)q * m->m[j] + t[j];
      t[j - 1] = (u32)carry;
      carry >>= 32;
    }
    high += (u32)carry;
    t[7] = (u32)high;
    t[8] = (u32)(high >> 32);
  }
  copy(r, t);
  reduce(r, t[8], m);
}

/* r = a to this power, in Montgomery form. r must not be a. */
static void power(num r, const num a, const num exponent, const modulus *m) {
  mul(r, m->rr, unit, m);
  for (int i = 255; i >= 0; i--) {
    mul(r, r, r, m);
    if ((exponent[i >> 5] >> (i & 31)) & 1) mul(r, r, a, m);
  }
}

/* p = 2p, with a = -3 (Bernstein and Lange, dbl-2001-b). Infinity stays infinity. */
static void twice(point *p) {
  num delta, gamma, beta, alpha, t;
  mul(delta, p->z, p->z, &field);
  mul(gamma, p->y, p->y, &field);
  mul(beta, p->x, gamma, &field);
  sub(t, p->x, delta, &field);
  add(alpha, p->x, delta, &field);
  mul(alpha, alpha, t, &field);
  add(t, alpha, alpha, &field);
  add(alpha, alpha, t, &field);
  add(t, p->y, p->z, &field);
  mul(t, t, t, &field);
  sub(t, t, gamma, &field);
  sub(p->z, t, delta, &field);
  add(beta, beta, beta, &field);
  add(beta, beta, beta, &field);
  mul(t, alpha, alpha, &field);
  sub(t, t, beta, &field);
  sub(p->x, t, beta, &field);
  mul(gamma, gamma, gamma, &field);
  add(gamma, gamma, gamma, &field);
  add(gamma, gamma, gamma, &field);
  add(gamma, gamma, gamma, &field);
  sub(t, beta, p->x, &field);
  mul(t, t, alpha, &field);
  sub(p->y, t, gamma, &field);
}

/* p = p + (x, y), an affine point other than infinity. Every special case is answered rightly. */
static void plus(point *p, const num x, const num y) {
  num h, r, hh, v, t;
  if (is_zero(p->z)) {
    copy(p->x, x);
    copy(p->y, y);
    mul(p->z, field.rr, unit, &field);
    return;
  }
  mul(t, p->z, p->z, &field);
  mul(h, x, t, &field);
  sub(h, h, p->x, &field);
  mul(t, t, p->z, &field);
  mul(r, y, t, &field);
  sub(r, r, p->y, &field);
  if (is_zero(h)) {
    if (is_zero(r)) twice(p);
    else copy(p->z, h);
    return;
  }
  mul(p->z, p->z, h, &field);
  mul(hh, h, h, &field);
  mul(v, p->x, hh, &field);
  mul(hh, hh, h, &field);
  mul(t, r, r, &field);
  sub(t, t, hh, &field);
  sub(t, t, v, &field);
  sub(p->x, t, v, &field);
  mul(hh, hh, p->y, &field);
  sub(t, v, p->x, &field);
  mul(t, t, r, &field);
  sub(p->y, t, hh, &field);
}

static void read(num r, const uint8_t *bytes) {
  for (int i = 0; i < 8; i++) {
    const uint8_t *b = bytes + 28 - 4 * i;
    r[i] = (u32)b[0] << 24 | (u32)b[1] << 16 | (u32)b[2] << 8 | b[3];
  }
}

/* The y of a compressed point, 0 when there is none. Both coordinates leave in Montgomery form. */
static int decompress(num x, num y, const uint8_t *compressed) {
  num t, right;
  if ((compressed[0] & 0xfe) != 2) return 0;
  read(x, compressed + 1);
  if (!is_below(x, field.m)) return 0;
  mul(x, x, field.rr, &field);
  mul(right, x, x, &field);
  mul(right, right, x, &field);
  sub(right, right, x, &field);
  sub(right, right, x, &field);
  sub(right, right, x, &field);
  mul(t, curve_b, field.rr, &field);
  add(right, right, t, &field);
  power(y, right, root_power, &field);
  mul(t, y, y, &field);
  if (!is_equal(t, right)) return 0;
  mul(t, y, unit, &field);
  if ((t[0] & 1) != (compressed[0] & 1)) {
    for (int i = 0; i < 8; i++) t[i] = 0;
    sub(y, t, y, &field);
  }
  return 1;
}

/*
 * 1 when `signature` (r, s: 64 bytes) over the SHA-256 `digest` (32 bytes) is good under the compressed point `key`
 * (33 bytes), else 0: bad points, r or s out of range, and both forms of s included.
 */
__attribute__((section(".entry"), used)) int verify(const uint8_t *key, const uint8_t *digest, const uint8_t *signature) {
  num r, s, t, u, gx, gy, qx, qy;
  point p;
  read(r, signature);
  read(s, signature + 32);
  if (is_zero(r) || is_zero(s) || !is_below(r, order.m) || !is_below(s, order.m)) return 0;
  if (!decompress(qx, qy, key)) return 0;
  mul(gx, base_x, field.rr, &field);
  mul(gy, base_y, field.rr, &field);

  /* t = digest / s and u = r / s. s is left as it is and taken to its inverse by Fermat: s^(n-2). */
  mul(s, s, order.rr, &order);
  copy(t, order.m);
  t[0] -= 2;
  power(u, s, t, &order);
  read(t, digest);
  reduce(t, 0, &order);
  mul(t, t, u, &order);
  mul(u, r, u, &order);

  for (int i = 0; i < 8; i++) p.z[i] = 0;
  copy(p.x, p.z);
  copy(p.y, p.z);
  for (int i = 255; i >= 0; i--) {
    twice(&p);
    if ((t[i >> 5] >> (i & 31)) & 1) plus(&p, gx, gy);
    if ((u[i >> 5] >> (i & 31)) & 1) plus(&p, qx, qy);
  }
  if (is_zero(p.z)) return 0;

  /* Is the point's x, which may be n or more, equal to r mod n? Compared as r * Z^2 = X, without an inversion. */
  mul(s, p.z, p.z, &field);
  mul(t, r, field.rr, &field);
  mul(t, t, s, &field);
  if (is_equal(t, p.x)) return 1;
  if (sum(r, r, order.m) == 1 || !is_below(r, field.m)) return 0;
  mul(t, r, field.rr, &field);
  mul(t, t, s, &field);
  return is_equal(t, p.x);
}

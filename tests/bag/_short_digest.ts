/** A digest as it stands in short records: base64url. */
export function toShortDigest(digest: string): string {
  return Uint8Array.fromHex(digest).toBase64({ alphabet: "base64url", omitPadding: true });
}

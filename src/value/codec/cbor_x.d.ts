/** What of cbor-x is used; the rest of it is not for us. */
export class Encoder {
  constructor(options: { useRecords: false; variableMapSize: true; tagUint8Array: false });
  encode(value: unknown): Uint8Array;
}

export class Decoder {
  constructor(options: { useRecords: false });
  decode(bytes: Uint8Array): unknown;
}

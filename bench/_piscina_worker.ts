// The no-op of the peer.
export default function noop(): void {}

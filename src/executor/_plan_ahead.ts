import type { DispatchCrew, Member } from "./_dispatch_crew.ts";

/** How many calls are to be sent to which worker at once. */
export interface SendPlan<C> {
  /** The worker. */
  readonly member: Member<C>;
  /** How many calls. */
  readonly count: number;
}

/** What there is to send. */
export interface Backlog {
  /** How many calls wait. */
  readonly queued: number;
  /** How many calls a worker may have at once. */
  readonly depth: number;
}

/**
 * Decides which busy worker is sent more calls: the one with the fewest. Workers are filled again when
 * they are half empty, so that calls travel in batches, and each gets its equal share.
 *
 * @typeParam C A call.
 * @param crew The workers; there is no idle one.
 * @param backlog What there is to send.
 * @returns What to send, or `undefined` when the calls are better kept.
 */
export function planAhead<C>(
  crew: DispatchCrew<C>,
  { queued, depth }: Backlog,
): SendPlan<C> | undefined {
  const spare = queued - crew.starting;
  // Who is one too many ends as soon as it has nothing to do.
  if (depth === 1 || spare <= 0 || crew.hasSurplus) return undefined;
  const member = crew.leastBusy();
  if (member === undefined || member.calls.length > depth / 2) return undefined;
  let total = spare;
  for (const { calls } of crew.members) total += calls.length;
  const share = Math.ceil(total / crew.members.size);
  const target = Math.min(depth, Math.max(share, member.calls.length + 1));
  const room = Math.min(member.limit - member.sent, member.worker.room);
  return { member, count: Math.min(target - member.calls.length, spare, room) };
}

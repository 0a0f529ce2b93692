// Progress towards the front of the queue, drawn as a rope between posts.

const POSTS = 6;
const WIDTH = 600;
const TOP = 16;
const GAP = (WIDTH - 40) / (POSTS - 1);
const at = (post: number) => 20 + post * GAP;

const swags = Array.from({ length: POSTS - 1 }, (_, post) => {
  const [from, to] = [at(post), at(post + 1)];
  return `M${from} ${TOP}Q${(from + to) / 2} ${TOP + 46} ${to} ${TOP}`;
}).join("");

/** The rope's height at x. Each section between two posts is a parabola. */
function heightAt(x: number): number {
  const part = (((x - 20) % GAP) + GAP) % GAP;
  const share = part / GAP;
  return TOP + 46 * 2 * share * (1 - share);
}

/** `progress` is in [0, 1]. */
export function QueueProgress({ progress }: { progress: number }) {
  const x = 20 + progress * (WIDTH - 40);
  return (
    <svg class="rope" viewBox={`0 0 ${WIDTH} 76`} aria-hidden="true">
      <clipPath id="behind">
        <rect class="behind" x="0" y="0" width={x} height="76" />
      </clipPath>
      {Array.from({ length: POSTS }, (_, post) => (
        <g key={post} class={at(post) <= x ? "post passed" : "post"}>
          <path d={`M${at(post)} ${TOP}V68M${at(post) - 11} 68h22`} />
          <circle cx={at(post)} cy={TOP - 4} r="6" />
        </g>
      ))}
      <path class="swag" d={swags} />
      <path class="swag done" d={swags} clip-path="url(#behind)" />
      <circle class="you" cx={x} cy={heightAt(x)} r="10" />
    </svg>
  );
}

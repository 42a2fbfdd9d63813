/** What `esteira init` writes: a small classification over a CSV that a seeded generator makes. */

const rows = 4_000;

/** The project file comes last, so that whoever finds it finds its data, too. */
export function exampleProject(model: string): Record<string, string> {
  return { 'orders.csv': csv(), 'esteira.yaml': yaml(model) };
}

function yaml(model: string): string {
  return `# One model, from data to production. Editors: \`esteira schema > esteira.schema.json\`.
model: ${model}
description: Will this order come back?
owner: you
task: binary-classification

sources:
  orders: { path: orders.csv }
query: SELECT * FROM orders WHERE ordered_at >= $from AND ordered_at < $until
window: 90d
key: order_id
time: ordered_at
label: returned

checks:
  - { check: row-count, min: 500 }
  - { check: unique, columns: order_id }
  - { check: range, column: price, min: 0 }

features:
  price: { log: true, scale: standard }
  items: { scale: standard }
  channel: { encode: one-hot }
  hour: { from: ordered_at, part: hour, cyclic: true }

trainer: { backend: onnx, epochs: 8, batchSize: 128, learningRate: 0.01, seed: 1 }

gates:
  roc_auc: { min: 0.6, notWorseThanChampionBy: 0.02 }

approval: { policy: auto }   # or people: \`esteira schema\` tells all that can be said here

# A new version shows itself on a tenth of the traffic first. Short, for a first look; hours in earnest.
rollout:
  steps: [{ share: 0.1, bake: 10s }]
`;
}

/** A seeded generator (mulberry32), so that everybody's first run is the same. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Orders of the last 90 days; dear ones, and those from the app, come back more often. */
function csv(): string {
  const random = generator(1);
  const end = Date.now();
  const lines = ['order_id,ordered_at,price,items,channel,returned'];
  for (let i = 0; i < rows; i++) {
    const time = new Date(end - ((rows - i) / rows) * 89 * 86_400_000);
    const price = Math.exp(2 + 2 * random());
    const items = 1 + Math.floor(4 * random());
    const channel = ['web', 'app', 'shop'][Math.floor(3 * random())]!;
    const logit = -2.5 + 0.8 * (Math.log(price) - 2) + (channel === 'app' ? 1 : 0) - 0.2 * items;
    const returned = random() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
    const ordered = time.toISOString().slice(0, 19).replace('T', ' ');
    lines.push([`o${i}`, ordered, price.toFixed(2), items, channel, returned].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** A model entity whose every task fails, as one does whose history cannot be replayed. */
export async function model(): Promise<never> {
  throw await Promise.resolve(new Error('it cannot be replayed'));
}

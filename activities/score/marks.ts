/** Keys in the metadata of each Parquet file that scoring writes. */
export const marks = { plan: 'esteira_plan', without: 'esteira_rows_without_prediction' } as const;

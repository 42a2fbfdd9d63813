-- One row a flight, with what is known before it departs.
--
-- Point in time: an outcome counts from the day after the flight has landed (departure, 500 mph,
-- half an hour on the ground, and its delay). A row looks at whole earlier days only, so it can see
-- neither its own outcome nor one that was still in the air.
WITH flight AS (
  SELECT
    *,
    delay > 15 AS is_late,
    date_trunc('day', date) AS day,
    date_trunc('day', date + to_minutes(CAST(30 + distance / 500.0 * 60 + greatest(delay, 0) AS BIGINT))) AS known
  FROM flights
  WHERE date >= $from - INTERVAL 22 DAY AND date < $until
),
-- Every airport, and every route, on every day on which it is asked for or something is known.
origin_day AS (
  SELECT origin, known AS day, count(*) AS flights, count(*) FILTER (WHERE is_late) AS late
  FROM flight GROUP BY ALL
  UNION ALL
  SELECT DISTINCT origin, day, 0, 0 FROM flight
),
origin_past AS (
  SELECT
    origin,
    day,
    sum(sum(late)) OVER yesterday AS late_1,
    sum(sum(flights)) OVER yesterday AS flights_1,
    sum(sum(late)) OVER week AS late_7,
    sum(sum(flights)) OVER week AS flights_7
  FROM origin_day
  GROUP BY origin, day
  WINDOW
    yesterday AS (PARTITION BY origin ORDER BY day RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING),
    week AS (PARTITION BY origin ORDER BY day RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING)
),
route_day AS (
  SELECT origin, destination, known AS day, count(*) AS flights, count(*) FILTER (WHERE is_late) AS late
  FROM flight GROUP BY ALL
  UNION ALL
  SELECT DISTINCT origin, destination, day, 0, 0 FROM flight
),
route_past AS (
  SELECT origin, destination, day, sum(sum(late)) OVER past AS late, sum(sum(flights)) OVER past AS flights
  FROM route_day
  GROUP BY origin, destination, day
  WINDOW past AS (
    PARTITION BY origin, destination ORDER BY day
    RANGE BETWEEN INTERVAL 21 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING
  )
)
SELECT
  strftime(date, '%Y%m%dT%H%M') || '-' || f.origin || '-' || f.destination || '-'
    || row_number() OVER (PARTITION BY date, f.origin, f.destination ORDER BY distance, delay) AS flight_id,
  date,
  distance,
  f.origin,
  f.destination,
  -- Five flights' worth of the usual share steadies small airports and rare routes.
  (coalesce(o.late_1, 0) + 1) / (coalesce(o.flights_1, 0) + 5) AS origin_late_yesterday,
  (coalesce(o.late_7, 0) + 1) / (coalesce(o.flights_7, 0) + 5) AS origin_late_week,
  (coalesce(r.late, 0) + 1) / (coalesce(r.flights, 0) + 5) AS route_late_share,
  CAST(f.is_late AS INTEGER) AS late
FROM flight f
JOIN origin_past o ON o.origin = f.origin AND o.day = f.day
JOIN route_past r ON r.origin = f.origin AND r.destination = f.destination AND r.day = f.day
WHERE date >= $from

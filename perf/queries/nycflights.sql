/* counts */ SELECT COUNT(*) AS flights, COUNT(arr_time) AS arrived, COUNT(DISTINCT tailnum) AS aircraft, COUNT(DISTINCT dest) AS places FROM flights;
/* carrier-hours */ SELECT carrier, hour, COUNT(*) AS flights, AVG(dep_delay) AS delay FROM flights GROUP BY carrier, hour ORDER BY carrier, hour LIMIT 500;
/* worst-months */ SELECT month, origin, AVG(arr_delay) AS delay, MAX(arr_delay) AS worst FROM flights WHERE arr_delay IS NOT NULL GROUP BY month, origin ORDER BY delay DESC, month, origin LIMIT 12;
/* evening */ SELECT dest, COUNT(*) AS flights FROM flights WHERE hour >= 18 AND carrier IN ('B6', 'AA', 'EV') AND distance < 900 GROUP BY dest ORDER BY flights DESC, dest LIMIT 10;
/* names */ SELECT a.name, COUNT(*) AS flights, SUM(f.distance) AS distance FROM flights f JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC, a.name LIMIT 20;
/* makers */ SELECT p.manufacturer, COUNT(*) AS flights, AVG(f.air_time) AS air_time FROM flights f JOIN planes p ON f.tailnum = p.tailnum WHERE f.origin = 'EWR' GROUP BY p.manufacturer ORDER BY flights DESC, p.manufacturer LIMIT 10;
/* weather */ SELECT w.origin, COUNT(*) AS flights, AVG(f.dep_delay) AS delay FROM flights f JOIN weather w ON f.origin = w.origin AND f.time_hour = w.time_hour WHERE w.precip > 0.1 GROUP BY w.origin ORDER BY w.origin LIMIT 10;

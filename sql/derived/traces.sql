-- What follows of a trace from its spans, a row each; reads the relation spans.
WITH RECURSIVE
  -- A span that came again with another start is two rows, and would double those below it.
  parents AS (
    SELECT trace_id, span_id,
           bool_or(coalesce(input_tokens, output_tokens, total_tokens) IS NOT NULL) AS has_tokens,
           bool_or(coalesce(input_cost, output_cost, total_cost) IS NOT NULL) AS has_cost
    FROM spans
    GROUP BY trace_id, span_id
  ),
  linked AS (
    SELECT spans.trace_id, spans.span_id, parent_span_id, start_time_ns, end_time_ns, name, status,
           session_id, user_id, input_tokens, output_tokens, cached_tokens, total_tokens,
           cache_creation_tokens, input_cost, output_cost, total_cost,
           -- Of several candidates the root is the one without a parent, then one whose parent
           -- is known to have run elsewhere, then one whose parent has not come.
           CASE WHEN parent_span_id IS NULL THEN 0
                WHEN parents.span_id IS NOT NULL THEN 3
                -- OTLP's flags: 0x100, that it is known where the parent ran, and 0x200, elsewhere.
                WHEN coalesce(flags, 0) & 768 = 768 THEN 1
                ELSE 2 END AS depth,
           -- Of a root alone, and no more than is shown: they are the longest texts.
           CASE WHEN depth <= 1 THEN left(inputs, 1000) END AS request_preview,
           CASE WHEN depth <= 1 THEN left(outputs, 1000) END AS response_preview,
           -- By a circle a span is above itself, and counts all the same.
           coalesce(parents.has_tokens AND parents.span_id <> spans.span_id, false)
             AS is_below_tokens,
           coalesce(parents.has_cost AND parents.span_id <> spans.span_id, false)
             AS is_below_cost
    FROM spans
    LEFT JOIN parents
      ON parents.trace_id = spans.trace_id AND parents.span_id = spans.parent_span_id
  ),
  -- What counts tokens, and what has a cost: each by itself. Most that are not counted, since
  -- one above them is, are right below that one.
  counted AS (
    SELECT false AS is_cost, trace_id, span_id, parent_span_id, is_below_tokens AS is_below,
           input_tokens, output_tokens, cached_tokens, total_tokens, cache_creation_tokens,
           NULL::DOUBLE AS input_cost, NULL::DOUBLE AS output_cost, NULL::DOUBLE AS total_cost
    FROM linked
    WHERE coalesce(input_tokens, output_tokens, total_tokens) IS NOT NULL
    UNION ALL
    SELECT true, trace_id, span_id, parent_span_id, is_below_cost, NULL, NULL, NULL, NULL, NULL,
           input_cost, output_cost, total_cost
    FROM linked
    WHERE coalesce(input_cost, output_cost, total_cost) IS NOT NULL
  ),
  -- Of a span that came twice, under two parents, neither row counts if one is below.
  topmost AS (
    FROM (FROM counted WHERE NOT is_below) AS top
    ANTI JOIN (FROM counted WHERE is_below) AS below USING (is_cost, trace_id, span_id)
  ),
  -- Where one span counts alone, none above it does, and its trace is spared the walk.
  walks AS (
    SELECT is_cost, trace_id, span_id, parent_span_id
    FROM topmost
    WHERE parent_span_id IS NOT NULL
      AND (is_cost, trace_id)
        IN (SELECT (is_cost, trace_id) FROM counted GROUP BY is_cost, trace_id HAVING count(*) > 1)
  ),
  steps AS (
    SELECT trace_id, span_id, parent_span_id,
           coalesce(input_tokens, output_tokens, total_tokens) IS NOT NULL AS has_tokens,
           coalesce(input_cost, output_cost, total_cost) IS NOT NULL AS has_cost
    FROM linked SEMI JOIN walks USING (trace_id)
  ),
  -- Above a span that counts, up to the next one that does: that one counts its own too.
  above AS (
    SELECT is_cost, trace_id, span_id, parent_span_id AS up, 1 AS steps
    FROM walks
    UNION
    SELECT above.is_cost, above.trace_id, above.span_id, steps.parent_span_id, above.steps + 1
    FROM above
    JOIN steps ON steps.trace_id = above.trace_id AND steps.span_id = above.up
    -- Ids may be given, and go in a circle: without an end this would not come to one.
    WHERE above.steps < 500
      AND NOT CASE WHEN above.is_cost THEN steps.has_cost ELSE steps.has_tokens END
  ),
  within AS (
    SELECT above.is_cost, above.trace_id, above.span_id
    FROM above
    JOIN counted ON counted.is_cost = above.is_cost AND counted.trace_id = above.trace_id
      AND counted.span_id = above.up
    WHERE above.up <> above.span_id
  ),
  counting AS (
    FROM topmost ANTI JOIN within USING (is_cost, trace_id, span_id)
  ),
  tokens AS (
    SELECT trace_id, sum(input_tokens)::BIGINT AS input_tokens,
           sum(output_tokens)::BIGINT AS output_tokens,
           sum(cached_tokens)::BIGINT AS cached_tokens,
           sum(total_tokens)::BIGINT AS total_tokens,
           sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens
    FROM counting
    WHERE NOT is_cost
    GROUP BY trace_id
  ),
  -- In the order of ids: in another one the last digit of a sum may be another.
  costs AS (
    SELECT trace_id, sum(input_cost ORDER BY span_id) AS input_cost,
           sum(output_cost ORDER BY span_id) AS output_cost,
           sum(total_cost ORDER BY span_id) AS total_cost
    FROM counting
    WHERE is_cost
    GROUP BY trace_id
  ),
  summed AS (
    SELECT trace_id, count(*) AS span_count, min(start_time_ns) AS first_time_ns,
           max(start_time_ns) AS last_time_ns, max(end_time_ns) AS ended,
           -- All of the root in one value: arg_min of a column passes over rows with a null.
           arg_min({'depth': depth, 'name': name, 'status': status, 'ended': end_time_ns,
                    'request': request_preview, 'response': response_preview},
                   -- With the id: of two that began at once a fold and a reader take the same one.
                   {'depth': depth, 'start': start_time_ns, 'id': span_id}) AS root,
           arg_min(session_id, {'depth': depth, 'start': start_time_ns, 'id': span_id})
             FILTER (session_id IS NOT NULL) AS session_id,
           arg_min(user_id, {'depth': depth, 'start': start_time_ns, 'id': span_id})
             FILTER (user_id IS NOT NULL) AS user_id
    FROM linked
    GROUP BY trace_id
  )
SELECT trace_id,
       first_time_ns // 1000000 AS request_time,
       -- A clock may have gone backwards.
       (CASE WHEN ended < first_time_ns THEN 0 ELSE ended - first_time_ns END)
         // 1000000 AS execution_duration,
       CASE WHEN root.depth > 1 OR root.ended IS NULL THEN NULL
            WHEN root.status = 'ERROR' THEN 'ERROR'
            ELSE 'OK' END AS state,
       CASE WHEN root.depth <= 1 THEN root.name END AS name,
       session_id,
       user_id,
       input_tokens,
       output_tokens,
       cached_tokens,
       total_tokens,
       cache_creation_tokens,
       input_cost,
       output_cost,
       total_cost,
       span_count,
       first_time_ns,
       last_time_ns,
       root.request AS request_preview,
       root.response AS response_preview
FROM summed
LEFT JOIN tokens USING (trace_id)
LEFT JOIN costs USING (trace_id)

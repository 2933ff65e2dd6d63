"""One neighbour, one family of files; each translates its neighbour's errors and returns domain objects.

**Redis, our keys**: `redis_client`, `redis_url`, `server_clock`, `timed_redis`, and `lua/` for what is one step.
records     `job_store` (every change), `places` (where a record stands), `idempotency`, `event_log` (watching)
lists       `job_index`, `newest_first`, `waiting_line`
sweep, batch  `sweep_notes`, `batch_lock`, `batch_notes`, `worker_registry`
operator    `sessions`, `audit_log`; `evidence`, `redis_facts`, `redis_memory` for who looks what is wrong
numbers     `queue_numbers`, `history`, `counters`, `buckets`, `meter`, `process_memory`
**RQ**: `job_queues` (deliveries), `rq_worker` (the loop), `rq_work_shown`, `minute_schedule`.
**Blobs**: `blob_store` opens one, `blob_border` says what it can do, `blob_names`, `timed_blobs`, `result_file` (the format).
a folder    `local_blobs`, `local_folders` (what stands where), `local_writing`, `durable_files`
a bucket    `s3_blobs`, `s3_layout` (what stands where), `s3_writing`, `s3_reading`, `spool`; below them `s3_client`,
            `s3_objects`, `s3_connections`, `s3_errors`, `s3_patience`, `breaker`
**The parser's child**: `parser_process` (a file), `parser_keeping` (the child for it), `parser_child`, `parser_reading`.
**The embedded server**: `embedded`, `server_binaries`, `tether` (ends with us).
"""

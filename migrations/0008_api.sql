-- What a token may do, and which process works on a call that has an Idempotency-Key.
ALTER TABLE api.token ADD COLUMN scopes text[] NOT NULL DEFAULT '{*}';  -- '*' is every scope

-- The process, by the number it holds an advisory lock on. NULL: nobody works on it. A holder whose
-- lock is free died on the way, and whoever repeats the call takes it over under the same command id.
ALTER TABLE api.idempotent_call ADD COLUMN holder integer;

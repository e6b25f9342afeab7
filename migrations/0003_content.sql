-- Firmware bytes, each kept once under its SHA-256, unchanged: one backup holds everything.
CREATE SCHEMA content;
GRANT USAGE ON SCHEMA content TO rollcall_app;

CREATE TABLE content.firmware (
    sha256     bytea PRIMARY KEY,
    bytes      bytea NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT now()
);
-- Binaries do not compress, and a range of an uncompressed value is read without reading the rest.
ALTER TABLE content.firmware ALTER COLUMN bytes SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON content.firmware TO rollcall_app;

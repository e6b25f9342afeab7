-- What devices say of themselves: the functions they have, the variables, their numbers. Beside the
-- fleet's tables, because a device says so once where it shakes hands a thousand times.
CREATE SCHEMA described AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE TABLE described.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);

CREATE TABLE described.device (
    device_id     text COLLATE "C" PRIMARY KEY,
    functions     text[] NOT NULL,
    variables     jsonb  NOT NULL,   -- name to type
    serial_number text COLLATE "C" NOT NULL,
    imei          text NOT NULL,
    iccid         text NOT NULL,
    described_at  timestamptz NOT NULL,
    "position"    bigint NOT NULL    -- of the DeviceDescribed event
);
-- What a device says is not proven: two may say the same.
CREATE INDEX ON described.device (serial_number) WHERE serial_number <> '';

-- What people publish through the API is stored beside what devices do: `device_id` is then 'api', or
-- the device it was published as.
ALTER TABLE telemetry.device_event ADD COLUMN user_id text COLLATE "C";

-- The vitals of a device are found without reading through everything else that it published.
CREATE INDEX device_event_vitals ON telemetry.device_event (device_id, published_at)
    WHERE name = 'spark/device/diagnostics/update';
RESET ROLE;

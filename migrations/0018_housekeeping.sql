-- What is forgotten in time is found without looking at the rest; keys of the installation's own;
-- and edges know whether a device is somebody's.
SET LOCAL ROLE rollcall_app;

-- A token and its refresh token are over when the later of the two is.
CREATE INDEX token_over ON access.token (greatest(expires_at, refresh_expires_at))
    WHERE expires_at IS NOT NULL;
CREATE INDEX ON access.device_transfer (expires_at);

-- Until when the token, had it not been used, could have been.
ALTER TABLE access.spent_refresh ADD COLUMN expires_at timestamptz;
UPDATE access.spent_refresh AS spent
SET expires_at = nullif(issued.event ->> 'refresh_expires_at', '')::timestamptz
FROM (
    SELECT convert_from(state, 'UTF8')::jsonb -> 'event' AS event FROM log.fleet_events
    WHERE originator_id > 'token-' AND originator_id < 'token.' AND topic = 'TokenIssued.1'
) AS issued
WHERE issued.event ->> 'refresh_hash' = encode(spent.refresh_hash, 'hex');
CREATE INDEX ON access.spent_refresh (expires_at);

-- Of all the people there are, hardly any is erased and still has a seat.
CREATE INDEX account_erased ON access.account (user_id) WHERE erased;

-- When it became somebody's, or nobody's, is when the facts of a device changed.
UPDATE fleet.device
SET facts_position = changed."position"
FROM (
    SELECT split_part(originator_id, '-', 2) AS device_id, max(notification_id) AS "position"
    FROM (
        SELECT originator_id, notification_id, topic,
               lag(topic) OVER (PARTITION BY originator_id ORDER BY originator_version) AS before
        FROM log.fleet_events
        WHERE originator_id > 'device-' AND originator_id < 'device.'
          AND topic IN ('DeviceClaimed.1', 'DeviceUnclaimed.1')
          AND notification_id <= (SELECT max(notification_id) FROM fleet.tracking)
    ) AS said
    WHERE topic IS DISTINCT FROM before
    GROUP BY originator_id
) AS changed
WHERE device.device_id = changed.device_id AND device.facts_position < changed."position";
RESET ROLE;

-- Keys of the installation's own, by what they are for: wrapped under the master key as people's are,
-- so that the master key can be another one while what they lock and index stays as it is.
CREATE TABLE secrets.own_key (
    name    text COLLATE "C" PRIMARY KEY,
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON secrets.own_key TO rollcall_app;

-- Most of what a device does changes no indexed column: with room on its page a row is changed in
-- place, and none of the table's six indexes is touched. Pages written before keep what they have.
ALTER TABLE fleet.device SET (fillfactor = 60);

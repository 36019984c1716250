-- The few that are asked for at every look of a worker and at every change of a machine, among all that are kept.
CREATE INDEX "operations_unfinished_idx" ON "operations" ("host_id", "created_at") WHERE "ended_at" IS NULL;

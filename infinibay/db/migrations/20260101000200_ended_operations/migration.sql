-- For retention, which removes the longest ended, and for counting what ended lately.
CREATE INDEX "operations_ended_at_idx" ON "operations" ("ended_at") WHERE "ended_at" IS NOT NULL;

CREATE TYPE "InstallationState" AS ENUM ('pending', 'installing', 'installed', 'failed');

CREATE TABLE "installations" (
  "machine_id" UUID NOT NULL,
  "state" "InstallationState" NOT NULL DEFAULT 'pending',
  "mode" TEXT NOT NULL,
  "locale" TEXT NOT NULL,
  "keyboard" TEXT NOT NULL,
  "timezone" TEXT NOT NULL,
  "hostname" TEXT NOT NULL,
  "ssh_keys" TEXT[],
  "packages" TEXT[],
  "edition" TEXT,
  "medium" TEXT,
  "drive_path" TEXT,
  "kernel_arguments" TEXT[],
  "phase" TEXT,
  "phase_at" TIMESTAMPTZ(3),
  "reason" TEXT,
  "token_hash" TEXT,
  "started_at" TIMESTAMPTZ(3),
  "ended_at" TIMESTAMPTZ(3),
  CONSTRAINT "installations_pkey" PRIMARY KEY ("machine_id"),
  CONSTRAINT "installations_mode_check" CHECK ("mode" IN ('seed', 'remaster', 'manual'))
);

CREATE TABLE "installation_tasks" (
  "machine_id" UUID NOT NULL,
  "kind" TEXT NOT NULL,
  "task_id" TEXT NOT NULL,
  "status" INTEGER NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "installation_tasks_pkey" PRIMARY KEY ("machine_id", "kind", "task_id")
);

-- What is known of each medium is found out anew.
ALTER TABLE "isos" ADD COLUMN "contents" JSONB;
UPDATE "isos" SET "stamp" = NULL;

CREATE INDEX "installations_state_idx" ON "installations" ("state");

ALTER TABLE "installations" ADD CONSTRAINT "installations_machine_id_fkey"
  FOREIGN KEY ("machine_id") REFERENCES "machines" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "installation_tasks" ADD CONSTRAINT "installation_tasks_machine_id_fkey"
  FOREIGN KEY ("machine_id") REFERENCES "installations" ("machine_id") ON DELETE CASCADE ON UPDATE CASCADE;

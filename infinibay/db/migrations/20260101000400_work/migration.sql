CREATE TABLE "scripts" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "name_key" TEXT NOT NULL,
    "description" TEXT,
    "category" TEXT,
    "tags" TEXT[],
    "format" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "shell" TEXT NOT NULL,
    "inputs" JSONB NOT NULL DEFAULT '[]',
    "created_by_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "scripts_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "scripts_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100),
    CONSTRAINT "scripts_format_check" CHECK ("format" IN ('YAML', 'JSON')),
    CONSTRAINT "scripts_shell_check" CHECK ("shell" IN ('bash', 'sh', 'python3', 'powershell', 'cmd'))
);

CREATE TABLE "machine_scripts" (
    "machine_id" UUID NOT NULL,
    "script_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "machine_scripts_pkey" PRIMARY KEY ("machine_id", "script_id"),
    CONSTRAINT "machine_scripts_position_check" CHECK ("position" >= 0)
);

CREATE UNIQUE INDEX "scripts_name_key_key" ON "scripts"("name_key");
CREATE INDEX "scripts_created_by_id_idx" ON "scripts"("created_by_id");
CREATE UNIQUE INDEX "machine_scripts_machine_id_position_key" ON "machine_scripts"("machine_id", "position");
CREATE INDEX "machine_scripts_script_id_idx" ON "machine_scripts"("script_id");

ALTER TABLE "scripts" ADD CONSTRAINT "scripts_created_by_id_fkey"
  FOREIGN KEY ("created_by_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "machine_scripts" ADD CONSTRAINT "machine_scripts_machine_id_fkey"
  FOREIGN KEY ("machine_id") REFERENCES "machines"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "machine_scripts" ADD CONSTRAINT "machine_scripts_script_id_fkey"
  FOREIGN KEY ("script_id") REFERENCES "scripts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- They may be secret, and are sealed now.
ALTER TABLE "machine_applications" DROP COLUMN "parameters";

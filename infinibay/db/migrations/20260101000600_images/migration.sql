CREATE TABLE "images" (
  "id" UUID NOT NULL DEFAULT gen_random_uuid(),
  "name" TEXT NOT NULL,
  "name_key" TEXT NOT NULL,
  "os" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "pool" TEXT NOT NULL,
  "volume_name" TEXT NOT NULL,
  "format" TEXT NOT NULL,
  "size_gb" INTEGER NOT NULL,
  "source_machine_id" UUID,
  "source_stamp" TEXT,
  "operation_id" UUID,
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "images_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "images_name_check" CHECK (char_length(btrim("name")) BETWEEN 1 AND 100),
  CONSTRAINT "images_kind_check" CHECK ("kind" IN ('image', 'clone')),
  CONSTRAINT "images_state_check" CHECK ("state" IN ('making', 'ready', 'failed', 'removing')),
  CONSTRAINT "images_format_check" CHECK ("format" = 'qcow2'),
  CONSTRAINT "images_size_check" CHECK ("size_gb" > 0)
);

ALTER TABLE "machine_disks" ADD COLUMN "base_image_id" UUID;
ALTER TABLE "installations" DROP CONSTRAINT "installations_mode_check";
ALTER TABLE "installations" ADD CONSTRAINT "installations_mode_check"
  CHECK ("mode" IN ('seed', 'remaster', 'manual', 'image'));

CREATE UNIQUE INDEX "images_name_key_key" ON "images" ("name_key");
CREATE UNIQUE INDEX "images_pool_volume_name_key" ON "images" ("pool", "volume_name");
CREATE INDEX "images_source_machine_id_idx" ON "images" ("source_machine_id");
CREATE INDEX "machine_disks_base_image_id_idx" ON "machine_disks" ("base_image_id");

ALTER TABLE "machine_disks" ADD CONSTRAINT "machine_disks_base_image_id_fkey"
  FOREIGN KEY ("base_image_id") REFERENCES "images" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Why a declaration was applied, in the words of who applied it.
ALTER TABLE centre ADD COLUMN comment TEXT;

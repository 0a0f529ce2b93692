-- Only PostgreSQL had something to gain; the numbers of the two go together.
SELECT 1;

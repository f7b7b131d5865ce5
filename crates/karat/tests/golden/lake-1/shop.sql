create table customers (change integer primary key, id integer, name text, score real, photo blob);
insert into customers values
    (1, 1, 'Ann', 0.1, x'00ff'),
    (2, 2, 'Bo', -2.5, null),
    (3, 3, null, null, x'');
-- day 2
insert into customers values
    (4, 3, 'Çelik', 1e300, x'0102'),
    (5, 1, 'Ann & Co', 0.30000000000000004, x'00ff');

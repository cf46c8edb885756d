SELECT stores.store_id, regions.region_name
FROM retail_marts.dim_store AS stores
LEFT JOIN retail_marts.dim_city AS cities ON cities.city_key = stores.city_key
LEFT JOIN retail_marts.dim_country AS countries ON countries.country_key = cities.country_key
LEFT JOIN retail_marts.dim_region AS regions ON regions.region_key = countries.region_key
LEFT JOIN retail_marts.bridge_area AS areas ON areas.area_id = stores.area_id AND areas.ancestor_level = 'region'
WHERE regions.region_name IS NULL OR regions.region_name <> coalesce(areas.ancestor_name, 'unknown')
